"""Codes of autoencoders and of classifiers as input of a support vector machine, on small digits.

    python benchmarks/digits.py

Dechesne (2018) did this on MNIST (28 x 28); here it is scikit-learn's bundled digits (1,797 pictures
of 8 x 8, scaled to 0..1), five random halves, stratified: one to train networks, PCA, scalers and
support vector machines, the other to test. The networks are the registry's: 64 bands, a code of 20.

``deck`` is the source's recipe: plain SGD (rate 0.01, batches of 100, 48,000 steps), the support
vector machine with gamma 0.02 and C = 1000 (code of the autoencoder) or 1 (of the classifier) on the
unscaled code. ``fair`` trains by Adam (rate 1e-3, 6,000 steps), standardises every input and takes
gamma "scale" and C = 10 for all alike. Nothing was tuned.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.features import FeatureNetwork

CODE, SEEDS = 20, range(5)


def trained(network, x, target, loss, *, deck: bool, seed: int):
    """The network after the recipe's steps on (n, bands) and its targets."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = (
        torch.optim.SGD(network.parameters(), lr=0.01)
        if deck
        else torch.optim.Adam(network.parameters(), lr=1e-3)
    )
    images = torch.from_numpy(x)[..., None, None]
    for _ in range(48_000 if deck else 6_000):
        chosen = torch.randint(len(x), (100,), generator=generator)
        optimiser.zero_grad()
        loss(network(images[chosen])[..., 0, 0], target[chosen]).backward()
        optimiser.step()
    return network.eval()


@torch.inference_mode()
def codes(network, x) -> np.ndarray:
    """(n, 20) of (n, bands)."""
    made = FeatureNetwork(network, x.shape[1])(torch.from_numpy(x)[..., None, None])
    return made[..., 0, 0].numpy()


def networks(x, y, *, deck: bool, seed: int):
    """An autoencoder, a classifier from random weights, and one that starts from the autoencoder."""
    torch.manual_seed(seed)
    bands = x.shape[1]
    mse, cross = torch.nn.functional.mse_loss, torch.nn.functional.cross_entropy
    image, label = torch.from_numpy(x), torch.from_numpy(y)
    how = {"deck": deck, "seed": seed}
    auto = create_model(
        "dense_autoencoder", in_bands=bands, n_classes=bands, code=CODE, bounded=True
    )
    auto = trained(auto, x, image, mse, **how)
    fresh, warm = (
        create_model("dense_classifier", in_bands=bands, n_classes=10, code=CODE) for _ in range(2)
    )
    warm.encoder.load_state_dict(auto.encoder.state_dict())
    return {
        "autoencoder's code": auto,
        "classifier's code": trained(fresh, x, label, cross, **how),
        "classifier's code, started from the autoencoder": trained(warm, x, label, cross, **how),
    }


def rows(seed: int) -> dict[str, float]:
    """Accuracy of each method on one half."""
    digits = load_digits()
    x = (digits.data / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        x, digits.target, test_size=0.5, stratify=digits.target, random_state=seed
    )
    found = {}

    def judge(name: str, machine, train, test) -> None:
        found[name] = float(machine.fit(train, y).score(test, y_test))

    def fair():
        return make_pipeline(StandardScaler(), SVC(C=10, gamma="scale"))

    for name, network in networks(x, y, deck=True, seed=seed).items():
        cost = 1000 if network.segmentation_head[0].out_channels == x.shape[1] else 1
        judge(f"deck: {name}", SVC(C=cost, gamma=0.02), codes(network, x), codes(network, x_test))
    for name, network in networks(x, y, deck=False, seed=seed).items():
        judge(f"fair: {name}", fair(), codes(network, x), codes(network, x_test))
    pca = PCA(CODE, random_state=0).fit(x)
    judge(f"fair: PCA, {CODE} components", fair(), pca.transform(x), pca.transform(x_test))
    judge("fair: all 64 pixels", fair(), x, x_test)
    return found


def main() -> None:
    torch.set_num_threads(1)
    found = [rows(seed) for seed in SEEDS]
    for name in found[0]:
        accuracy = 100 * np.array([each[name] for each in found])
        print(f"{name:60s} {accuracy.mean():.1f} +- {accuracy.std(ddof=1):.1f} %")


if __name__ == "__main__":
    main()
