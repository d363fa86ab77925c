"""Deep learning on georeferenced rasters: scenes in, styled land-cover GeoTIFFs out.

    import georaster_dl as gdl

    raster = gdl.load_model("s2-landcover").predict("scene.tif")
    raster.plot()

The public names stand in the stub beside this file; they are imported when they are first used.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
