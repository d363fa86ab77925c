"""Compute the reflectance of canopies from their leaves and soil by 4SAIL (Verhoef et al. 2007), in torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from georaster_dl.models.radiative_transfer.leaf_angles import ANGLES_DEG

__all__ = ["CanopyReflectance", "sail"]

# Leaves absorb at least this share: of a canopy that absorbs nothing, the solution is 0 / 0.
_LEAST_ABSORPTION = 1e-6
_HOTSPOT_STEPS = 20


class CanopyReflectance(NamedTuple):
    """Reflectance factors of a canopy on its soil, (samples, bands) each, 0 to 1.

    Attributes
    ----------
    bidirectional : of the sun's beam towards the sensor, which a sensor sees after atmospheric correction.
    directional_hemispherical : of the sun's beam into all directions.
    hemispherical_directional : of light from the whole sky towards the sensor.
    bihemispherical : of light from the whole sky into all directions.
    """

    bidirectional: Tensor
    directional_hemispherical: Tensor
    hemispherical_directional: Tensor
    bihemispherical: Tensor


class _Geometry(NamedTuple):
    """Extinction and scattering of leaves in the directions of sun and view, (samples, 1) each."""

    sun: Tensor
    view: Tensor
    horizontal: Tensor
    backward: Tensor
    forward: Tensor
    distance: Tensor


def sail(
    leaf: tuple[Tensor, Tensor],
    soil_reflectance: Tensor,
    *,
    lai: Tensor,
    leaf_angles: Tensor,
    hotspot: Tensor,
    sun_zenith: Tensor,
    view_zenith: Tensor,
    relative_azimuth: Tensor,
) -> CanopyReflectance:
    """Compute the reflectance factors of homogeneous canopies: four fluxes, with the hot spot of Kuusk.

    Differentiable in all of them, also where LAI is 0, leaves are black, or sun and view coincide.

    Parameters
    ----------
    leaf : reflectance and transmittance, (samples, bands), 0 to 1, as of ``prospect``.
    soil_reflectance : (samples, bands) or (1, bands), 0 to 1.
    lai : leaf area index in m2/m2, (samples,).
    leaf_angles : share of the leaves in each of 18 classes of inclination, (samples, 18), of
        ``ellipsoidal`` or ``bimodal``.
    hotspot : size of the leaves over the height of the canopy, (samples,); 0 is none.
    sun_zenith, view_zenith, relative_azimuth : degrees, (samples,); zeniths below 90, azimuth that of the
        sun minus that of the view.

    Source: Verhoef, Jia, Xiao & Su 2007, doi 10.1109/TGRS.2007.895844; the hot spot's width after Breon.
    """
    geometry = _geometry(leaf_angles, sun_zenith, view_zenith, relative_azimuth)
    joint, seen_and_lit = _hot_spot(geometry, lai.double()[:, None], hotspot.double()[:, None])
    kind = leaf[0].dtype
    geometry = _Geometry(*(value.to(kind) for value in geometry))
    depth = lai[:, None].to(kind)
    rho, tau = _absorbing(*leaf)

    to_sun, to_view, bf = geometry.sun, geometry.view, geometry.horizontal
    backward = ((1 + bf) * rho + (1 - bf) * tau) / 2
    forward = ((1 - bf) * rho + (1 + bf) * tau) / 2
    sun_back, sun_forth = _scattered(to_sun, bf, rho, tau)
    view_back, view_forth = _scattered(to_view, bf, rho, tau)
    single = geometry.backward * rho + geometry.forward * tau

    m = ((1 - rho - tau) * (1 - forward + backward)).sqrt()
    infinite = backward / (1 - forward + m)
    left = (-m * depth).exp()
    bounce = infinite * left
    denominator = 1 - bounce**2
    rdd = infinite * (1 - left**2) / denominator
    tdd = (1 - infinite**2) * left / denominator

    def directional(
        k: Tensor, back: Tensor, forth: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        p = (forth + back * infinite) * _j1(k, m, depth)
        q = (forth * infinite + back) * _j2(k, m, depth)
        return p, q, (p - bounce * q) / denominator, (q - bounce * p) / denominator

    p_sun, q_sun, tsd, rsd = directional(to_sun, sun_back, sun_forth)
    _, _, tdo, rdo = directional(to_view, view_back, view_forth)
    tss, too = (-to_sun * depth).exp(), (-to_view * depth).exp()

    both = _j2(to_sun, to_view, depth)
    upward = (
        (view_forth * infinite + view_back) * (both - _j1(to_sun, m, depth) * too) / (to_view + m)
    )
    downward = (
        (view_forth + view_back * infinite) * (both - _j1(to_view, m, depth) * tss) / (to_sun + m)
    )
    multiple = upward * (sun_forth + sun_back * infinite) + downward * (
        sun_forth * infinite + sun_back
    )
    multiple = (multiple - (rdo * q_sun + tdo * p_sun) * infinite) / (1 - infinite**2)
    rso = single * depth * seen_and_lit.to(kind) + multiple

    soil = soil_reflectance
    again = soil / (1 - soil * rdd)
    return CanopyReflectance(
        rso + joint.to(kind) * soil + ((tss + tsd) * tdo + (tsd + tss * soil * rdd) * too) * again,
        rsd + (tsd + tss) * tdd * again,
        rdo + (tdo + too) * tdd * again,
        rdd + tdd**2 * again,
    )


def _absorbing(rho: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Scale leaves down that absorb less than the least share."""
    scale = ((1 - _LEAST_ABSORPTION) / (rho + tau).clamp(min=1e-12)).clamp(max=1)
    return rho * scale, tau * scale


def _scattered(k: Tensor, bf: Tensor, rho: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Divide light from a direction that leaves scatter into diffuse light backward and forward."""
    return ((k + bf) * rho + (k - bf) * tau) / 2, ((k - bf) * rho + (k + bf) * tau) / 2


def _share(x: Tensor) -> Tensor:
    """Return (1 - exp(-x)) / x, 1 at 0."""
    small = x.abs() < 1e-4
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1 - x / 2 + x**2 / 6, -torch.expm1(-safe) / safe)


def _j1(k: Tensor, m: Tensor, depth: Tensor) -> Tensor:
    """Integrate exp(-k x) exp(-m (depth - x)) over the depth."""
    return depth * (-m * depth).exp() * _share((k - m) * depth)


def _j2(k: Tensor, m: Tensor, depth: Tensor) -> Tensor:
    """Integrate exp(-(k + m) x) over the depth."""
    return depth * _share((k + m) * depth)


def _geometry(leaf_angles: Tensor, sun: Tensor, view: Tensor, azimuth: Tensor) -> _Geometry:
    """Average extinction and scattering over leaf angles, in doubles."""
    sun, view, psi = (value.double()[:, None].deg2rad() for value in (sun, view, azimuth))
    cosine = psi.cos()
    psi = cosine.clamp(-1 + 1e-14, 1 - 1e-14).acos()
    leaf = torch.as_tensor(ANGLES_DEG, dtype=torch.float64, device=leaf_angles.device).deg2rad()
    cs, ss = leaf.cos() * sun.cos(), leaf.sin() * sun.sin()
    co, so = leaf.cos() * view.cos(), leaf.sin() * view.sin()
    bs, chi_s, ds = _interception(cs, ss)
    bo, chi_o, do = _interception(co, so)
    bounds = torch.stack(
        [psi.expand_as(bs), (bs - bo).abs(), torch.pi - (bs + bo - torch.pi).abs()]
    )
    b1, b2, b3 = bounds.sort(dim=0).values
    t1 = 2 * cs * co + ss * so * cosine
    t2 = b2.sin() * (2 * ds * do + ss * so * b1.cos() * b3.cos())
    back = ((torch.pi - b2) * t1 + t2).clamp(min=0)
    forth = (t2 - b2 * t1).clamp(min=0)

    weights = leaf_angles.double()

    def mean(value: Tensor) -> Tensor:
        return (weights * value).sum(dim=1, keepdim=True)

    both = 2 * torch.pi * sun.cos() * view.cos()
    distance = sun.tan() ** 2 + view.tan() ** 2 - 2 * sun.tan() * view.tan() * cosine
    return _Geometry(
        mean(chi_s) / sun.cos(),
        mean(chi_o) / view.cos(),
        mean(leaf.cos() ** 2),
        mean(back) / both,
        mean(forth) / both,
        distance.clamp(min=1e-20).sqrt(),
    )


def _interception(along: Tensor, across: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the azimuth at which leaves turn their other side, their mean projection, and its amplitude."""
    cosine = -along / across.clamp(min=1e-9)
    one_side = cosine <= -1
    turn = cosine.clamp(-1 + 1e-14, 1).acos()
    turn = torch.where(one_side, torch.full_like(turn, torch.pi), turn)
    chi = 2 / torch.pi * ((turn - torch.pi / 2) * along + turn.sin() * across)
    return turn, chi, torch.where(one_side, along, across)


def _hot_spot(geometry: _Geometry, lai: Tensor, hotspot: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities that soil, and leaves on the mean over the depth, are both lit and seen."""
    ks, ko = geometry.sun, geometry.view
    alpha = 2 * geometry.distance / (hotspot.clamp(min=1e-9) * (ks + ko))
    alpha = alpha.clamp(1e-8, 1e9)
    # depths between which the correlation of the two paths falls by equal parts
    parts = torch.arange(1, _HOTSPOT_STEPS, dtype=torch.float64, device=lai.device) / _HOTSPOT_STEPS
    inner = -torch.log1p(parts * torch.expm1(-alpha)) / alpha
    x = torch.cat([torch.zeros_like(lai), inner, torch.ones_like(lai)], dim=1)
    y = -(ko + ks) * lai * x + lai * (ko * ks).sqrt() * x * _share(alpha * x)
    pieces = y[:, :-1].exp() * _share(y[:, :-1] - y[:, 1:]) * x.diff(dim=1)
    return y[:, -1:].exp(), pieces.sum(dim=1, keepdim=True)
