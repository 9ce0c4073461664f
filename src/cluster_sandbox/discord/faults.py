"""The faults of this server are those of all stand-ins; here under the name they had first."""

from ..faults import Fault, Faults, same_template

__all__ = ["Fault", "Faults", "same_template"]
