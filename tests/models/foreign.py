"""A torch module of a package that is none of ours, as an installed package on a path."""

NAME = "two_scales"
MODULE = "somebodys_networks"
SOURCE = '''"""Networks of somebody else."""

from torch import nn

from georaster_dl.models.registry import register_model


class TwoScales(nn.Module):
    stride = 2
    feature_layer = "body"

    def __init__(self, in_bands, n_classes, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_bands, width, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.classes = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, n_classes, 1))

    def forward(self, image):
        return self.classes(self.body(image))


@register_model(options={"width": 8})
def two_scales(spec):
    """Two convolutions, the second at half the resolution."""
    return TwoScales(spec.in_bands, spec.n_classes, **spec.options)
'''


def install(folder, source=SOURCE, module=MODULE):
    """Write the package with its metadata: a folder on the path that holds both is an installation."""
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[georaster_dl.models]\n{module} = {module}\n")
    return folder
