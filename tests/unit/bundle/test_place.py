"""Places: the projection agrees with PROJ, the nearest station is found, what is not a place gives none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer

from bundle import BundleError
from bundle.transforms.place import PROJECTION, Place, projected

CENTRAL, WENTWORTH = ["Central", 41.85837259, -87.62735617], ["Wentworth", 41.80181109, -87.63056018]
PARAMETERS: dict[str, Any] = {
    "projection": PROJECTION,
    "stations": [CENTRAL, WENTWORTH],
    "latitudes": [41.5, 42.2],
    "longitudes": [-88.1, -87.3],
}


def test_the_plane_is_that_of_proj_to_a_tenth_of_a_micrometre() -> None:
    draw = np.random.default_rng(0)
    latitudes, longitudes = draw.uniform(36.9, 42.6, 5000), draw.uniform(-91.6, -87.0, 5000)
    to_plane = Transformer.from_crs("EPSG:4326", PROJECTION, always_xy=True)
    expected = to_plane.transform(longitudes, latitudes)
    np.testing.assert_allclose(projected(latitudes, longitudes), expected, rtol=0, atol=1e-7)


def test_each_place_has_its_nearest_station_and_the_first_of_two_equally_near() -> None:
    draw = np.random.default_rng(0)
    latitudes, longitudes = draw.uniform(41.5, 42.2, 500), draw.uniform(-88.1, -87.3, 500)
    stations = [["first", 41.9, -87.7], CENTRAL, ["again", 41.9, -87.7], WENTWORTH]
    found = Place({**PARAMETERS, "stations": stations}).nearest(latitudes, longitudes)
    points = np.column_stack(projected(*np.array([each[1:] for each in stations], dtype=float).T))
    places = np.column_stack(projected(latitudes, longitudes))
    metres = np.linalg.norm(places[:, None] - points, axis=2)
    assert found.station.tolist() == metres.argmin(axis=1).tolist()
    np.testing.assert_allclose(found.metres, metres.min(axis=1), atol=0.051)
    assert set(found.station) == {0, 1, 3}


def test_what_is_no_known_place_has_no_features() -> None:
    unknown = [(np.nan, np.nan), (0.0, 0.0), (41.8, np.nan), (np.nan, -87.6), (42.3, -87.6), (41.8, -87.2)]
    latitudes, longitudes = np.array([(41.85837259, -87.62735617), (41.5, -87.3), *unknown]).T
    made = Place(PARAMETERS).apply({"latitude": latitudes, "longitude": longitudes})
    assert set(made) == set(Place.outputs) == Place.lacking
    assert made["nearest_station"].tolist() == ["Central", "Wentworth", *[None] * 6]
    assert made["station_distance_m"][0] == 0
    for name in ("latitude", "longitude", "station_distance_m"):
        assert np.isnan(made[name]).tolist() == [False, False, *[True] * 6], name
    assert (made["latitude"][1], made["longitude"][1]) == (41.5, -87.3), "a bound is within"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"projection": "EPSG:4326"}, "projection is 'EPSG:4326': it must be EPSG:26971"),
        ({"stations": []}, "stations is []: it must be a list of at least one"),
        ({"stations": None}, "stations is None"),
        ({"stations": [["Central", 41.8]]}, "a station is ['Central', 41.8]"),
        ({"stations": [[1, 41.8, -87.6]]}, "a station is [1, 41.8, -87.6]"),
        ({"stations": [["Far", 41.8, -89.0]]}, "a station is ['Far', 41.8, -89.0]: it must be within the"),
        ({"stations": [["No", float("nan"), -87.6]]}, "it must be within the bounds"),
        ({"latitudes": [42.2, 41.5]}, "latitudes is [42.2, 41.5]: it must be two numbers, the lower one"),
        ({"longitudes": [-88.1]}, "longitudes is [-88.1]"),
        ({"longitudes": [False, True]}, "longitudes is [False, True]"),
        ({"radius": 3}, "it must have ['latitudes', 'longitudes', 'projection', 'stations']"),
    ],
)
def test_parameters_that_are_none_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=re.escape(sentence)) as refused:
        Place({**PARAMETERS, **change})
    assert re.match("contract.json: the transform place(:| has the parameters) ", str(refused.value))
