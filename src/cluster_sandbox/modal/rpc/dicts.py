"""`modal.Dict`: made, read, written, by keys as the client pickled them."""

from __future__ import annotations

from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import Dictionary
from .registry import Caller, Rpcs, must_be_made, not_found

rpcs = Rpcs()
LONGEST = 100_000
"""What `len` says at most."""


@rpcs.answer("DictGetOrCreate")
def dict_get_or_create(caller: Caller, request: pb.DictGetOrCreateRequest) -> pb.DictGetOrCreateResponse:
    world, name = caller.service.world, request.deployment_name
    found = world.dict_named(name, request.environment_name)
    if must_be_made(found is not None, "Dict", name, request.object_creation_type) or found is None:
        found = Dictionary(id=new_id("di"), name=name, environment=world.environment(request.environment_name))
        world.dicts[found.id] = found
        found.entries.update({entry.key: entry.value for entry in request.data})
    return pb.DictGetOrCreateResponse(dict_id=found.id, metadata=pb.DictMetadata(name=name))


@rpcs.answer("DictGet")
def dict_get(caller: Caller, request: pb.DictGetRequest) -> pb.DictGetResponse:
    value = _find(caller, request.dict_id).entries.get(request.key)
    return pb.DictGetResponse(found=value is not None, value=value)


@rpcs.answer("DictContains")
def dict_contains(caller: Caller, request: pb.DictContainsRequest) -> pb.DictContainsResponse:
    return pb.DictContainsResponse(found=request.key in _find(caller, request.dict_id).entries)


@rpcs.answer("DictUpdate")
def dict_update(caller: Caller, request: pb.DictUpdateRequest) -> pb.DictUpdateResponse:
    """With `if_not_exists` nothing is written where any of the keys is there; `created` tells."""
    entries = _find(caller, request.dict_id).entries
    if request.if_not_exists and any(update.key in entries for update in request.updates):
        return pb.DictUpdateResponse(created=False)
    entries.update({update.key: update.value for update in request.updates})
    caller.service.world.changed()
    return pb.DictUpdateResponse(created=True)


@rpcs.answer("DictPop")
def dict_pop(caller: Caller, request: pb.DictPopRequest) -> pb.DictPopResponse:
    value = _find(caller, request.dict_id).entries.pop(request.key, None)
    caller.service.world.changed()
    return pb.DictPopResponse(found=value is not None, value=value)


@rpcs.answer("DictLen")
def dict_len(caller: Caller, request: pb.DictLenRequest) -> pb.DictLenResponse:
    return pb.DictLenResponse(len=min(LONGEST, len(_find(caller, request.dict_id).entries)))


@rpcs.answer("DictClear")
def dict_clear(caller: Caller, request: pb.DictClearRequest) -> None:
    _find(caller, request.dict_id).entries.clear()
    caller.service.world.changed()


@rpcs.answer("DictContents")
def dict_contents(caller: Caller, request: pb.DictContentsRequest) -> list[pb.DictEntry]:
    entries = _find(caller, request.dict_id).entries.items()
    return [
        pb.DictEntry(key=key if request.keys else b"", value=value if request.values else b"") for key, value in entries
    ]


def _find(caller: Caller, dict_id: str) -> Dictionary:
    found = caller.service.world.dicts.get(dict_id)
    if found is None:
        raise not_found(f"Dict {dict_id}")
    return found
