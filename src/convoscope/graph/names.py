"""Names for the nodes: after the module a value comes from, pleasant, unique, and the same in eval and train mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from convoscope.graph.calls import Call
from convoscope.graph.graph import Ref


class Names:
    """Gives each name once: the second `relu` is `relu_1`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wish: str) -> str:
        """The wish, or the wish with the first free number."""
        name, number = wish, 0
        while name in self._taken:
            number += 1
            name = f"{wish}_{number}"
        self._taken.add(name)
        return name


def name_calls(calls: Sequence[Call], names: Names, leaves: Iterable[str], loss: str = "") -> dict[str, str]:
    """The name of each call's value, by the call's id.

    A module without modules in it that makes one value gives it its path ("conv1"; "conv1_1" for its second use). Any
    other op is named after the module it is called in and itself ("layer1.0.add", at the root "add"). The values of an
    op that makes several are named by the schema ("max.values"), else by their position ("chunk.0").

    Args:
        calls: In the order they are computed.
        names: Those taken already.
        leaves: The paths of the modules that hold no other module.
        loss: The id of the call that makes the loss; it is called "loss".
    """
    leaf_paths = frozenset(leaves)
    made = Counter(call.origin.call for call in calls if call.op != "getitem")
    several: dict[str, Call] = {}
    found: dict[str, str] = {}
    for call in calls:
        path, op = call.origin.module, call.op.strip("_")
        if isinstance(call.fake, (tuple, list)):
            several[call.id] = call
        if call.id == loss:
            wish = "loss"
        elif call.op == "getitem" and isinstance(call.args[0], Ref) and call.args[0].node in several:
            wish = f"{found[call.args[0].node]}.{_part(several[call.args[0].node], call.args[1])}"
        elif path in leaf_paths and made[call.origin.call] == 1:
            wish = path
        else:
            wish = f"{path}.{op}" if path else op
        found[call.id] = names.take(wish)
    return found


def _part(many: Call, index: object) -> str:
    returns = many.target._schema.returns  # noqa: SLF001 - torch's only door to it
    position = int(str(index))
    return (returns[position].name if position < len(returns) else "") or str(position)
