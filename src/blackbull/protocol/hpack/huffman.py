"""The Huffman code for strings (RFC 7541 §5.2, Appendix B).

The code is canonical: the lengths of its codes say everything. Decoding takes an octet at a time:
what an octet does in a state of the code's tree is worked out when it is first needed, and kept.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .integers import malformed

EOS: Final = 256

# RFC 7541 Appendix B: the length of the code of each octet, and of EOS
LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
    30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11,
    8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20,
    22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
    22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23,
    22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
    26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)  # fmt: skip

Tree: TypeAlias = list[int]
"""Two entries for each inner node, one for each bit: an inner node, or the complement of a leaf."""


def _make_codes() -> tuple[str, ...]:
    """Return the codes as text of zeros and ones."""
    codes = [""] * len(LENGTHS)
    code = 0
    length = 0
    for symbol in sorted(range(len(LENGTHS)), key=lambda symbol: (LENGTHS[symbol], symbol)):
        code <<= LENGTHS[symbol] - length
        length = LENGTHS[symbol]
        codes[symbol] = f"{code:0{length}b}"
        code += 1
    return tuple(codes)


def _make_tree(codes: tuple[str, ...]) -> Tree:
    tree = [0, 0]
    for symbol, code in enumerate(codes):
        node = 0
        for bit in code[:-1]:
            branch = 2 * node + int(bit)
            if not tree[branch]:
                tree[branch] = len(tree) // 2
                tree += [0, 0]
            node = tree[branch]
        tree[2 * node + int(code[-1])] = ~symbol
    return tree


CODES: Final = _make_codes()
TREE: Final = _make_tree(CODES)


class State(dict[int, "tuple[State, bytes]"]):
    """A place in the tree between two octets: for each octet the next state and the symbols.

    Args:
        node: The inner node.
        known: All states so far, by node.

    Attributes:
        complete: A string may end here: what is left is a padding of ones, shorter than an octet.
    """

    __slots__ = ("_known", "_node", "complete")

    def __init__(self, node: int, known: dict[int, State]) -> None:
        super().__init__()
        self._node = node
        self._known = known
        self.complete = node in _PADDINGS
        known[node] = self

    def __missing__(self, octet: int) -> tuple[State, bytes]:
        node = self._node
        symbols = bytearray()
        for shift in range(7, -1, -1):
            branch = TREE[2 * node + (octet >> shift & 1)]
            if branch >= 0:
                node = branch
            elif ~branch == EOS:
                raise malformed("a Huffman string holds EOS", "RFC 7541 §5.2")
            else:
                symbols.append(~branch)
                node = 0
        state = self._known.get(node)
        if state is None:
            state = State(node, self._known)
        step = self[octet] = (state, bytes(symbols))
        return step


def _find_paddings() -> frozenset[int]:
    nodes = [0]
    for _ in range(7):
        nodes.append(TREE[2 * nodes[-1] + 1])
    return frozenset(nodes)


_PADDINGS: Final = _find_paddings()
ROOT: Final = State(0, {})


def decode(data: bytes) -> bytes:
    """Return the string that *data* encodes; at most 8/5 of its length.

    Raises:
        RemoteProtocolError: it holds EOS, or its padding is not the start of EOS.

    Spec:
        RFC 7541 §5.2
    """
    state = ROOT
    parts: list[bytes] = []
    append = parts.append
    for octet in data:
        state, symbols = state[octet]
        append(symbols)
    if not state.complete:
        raise malformed("a Huffman string is padded with something else", "RFC 7541 §5.2")
    return b"".join(parts)


def encode(data: bytes) -> bytes:
    """Return *data* in the Huffman code; it may be longer than *data*.

    Spec:
        RFC 7541 §5.2
    """
    if not data:
        return b""
    bits = "".join([CODES[octet] for octet in data])
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
