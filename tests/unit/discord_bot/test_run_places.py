"""The menu of places to run at."""

from cluster_bot.discord_bot.places import MOST_PLACES, place_of, places, preselected
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.spec import Language, Where
from cluster_bot.scheduling.choosing import Prefer

OFFERS = {
    "github": [GpuOffer("T4", waiting=2), GpuOffer("MI300", paused=True)],
    "modal": [GpuOffer("T4", price=0.000164), GpuOffer("H100", price=0.001097)],
    "local": [GpuOffer(None)],
}


def test_every_launcher_with_its_gpus_and_the_choice_where_there_is_one() -> None:
    assert places(OFFERS) == [
        ("auto:T4", "T4, wherever it is free soonest", "github, modal"),
        ("github:T4", "T4 at github", "2 waiting"),
        ("modal:T4", "T4 at modal", "$0.000164/s"),
        ("modal:H100", "H100 at modal", "$0.001097/s"),
        ("local", "local", ""),
    ]
    assert places({}) == []


def test_what_a_choice_stands_for() -> None:
    assert place_of("auto:T4") == (Where("auto", "T4"), Prefer.SOONEST)
    assert place_of("modal:H100:2") == (Where("modal", "H100:2"), None)
    assert place_of("local") == (Where("local"), None)
    assert place_of("") == (Where(""), None)


def test_where_there_are_too_many_each_launcher_keeps_some() -> None:
    many = {name: [GpuOffer(f"{name}-{n}") for n in range(40)] for name in ("github", "modal")} | {
        "local": [GpuOffer(None), GpuOffer("x" * 200)]
    }
    found = [one.value for one in places(many)]
    assert len(found) == MOST_PLACES
    assert found[:2] == ["github:github-0", "github:github-1"]
    assert found[-2:] == ["modal:modal-11", "local"]


def test_what_is_chosen_before_the_member_chooses() -> None:
    found = places(OFFERS)
    assert preselected(found, None, None) == "auto:T4"
    assert preselected(found, None, "local") == "local"
    assert preselected(found, None, "gone") == "auto:T4"
    only = places({"local": [GpuOffer(None)], "modal": [GpuOffer("H100")]})
    assert preselected(only, Language.PYTHON, None) == "local"
    assert preselected(only, Language.CUDA, None) == "modal:H100"
    assert preselected(places({"local": [GpuOffer(None)]}), Language.CUDA, None) == "local"
