"""Public names, which are imported when they are first used."""

from .api.keywords import LabelKeywords as LabelKeywords
from .api.keywords import MapKeywords as MapKeywords
from .api.keywords import RunKeywords as RunKeywords
from .api.keywords import SceneKeywords as SceneKeywords
from .api.many import batch as batch
from .api.many import mosaic as mosaic
from .api.model import Model as Model
from .api.model import load_model as load_model
from .api.pixels import classify as classify
from .api.pixels import cluster as cluster
from .api.runs import FeatureKeywords as FeatureKeywords
from .api.runs import SegmentKeywords as SegmentKeywords
from .api.runs import denoise as denoise
from .api.runs import features as features
from .api.runs import segment as segment
from .api.scenes import open_scene as open_scene
from .api.training import TrainKeywords as TrainKeywords
from .api.training import evaluate as evaluate
from .api.training import train as train
from .core.bands import Band as Band
from .core.errors import BandMismatchError as BandMismatchError
from .core.errors import DeviceError as DeviceError
from .core.errors import GeoRasterError as GeoRasterError
from .core.errors import GeoRasterWarning as GeoRasterWarning
from .core.errors import ModelPackageError as ModelPackageError
from .core.errors import OptionError as OptionError
from .core.errors import OutputError as OutputError
from .core.errors import PluginError as PluginError
from .core.errors import SceneError as SceneError
from .core.errors import UnknownModelError as UnknownModelError
from .core.legend import Legend as Legend
from .core.legend import MapClass as MapClass
from .io.maps import read_map as read_map
from .io.maps import write_cog as write_cog
from .io.raster import Raster as Raster
from .io.scenes.scene import Scene as Scene
from .models.contract import SegmentationNetwork as SegmentationNetwork
from .models.package.card import Card as Card
from .models.package.file import save_model as save_model
from .models.registry import NetworkSpec as NetworkSpec
from .models.registry import create_model as create_model
from .models.registry import list_models as list_models
from .models.registry import register_model as register_model
from .training.settings.config import TrainConfig as TrainConfig

__version__: str
