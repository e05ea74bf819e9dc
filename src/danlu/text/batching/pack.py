"""Several short documents in one row, so that little of a batch is padding."""

from collections.abc import Sequence


def pack(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Which documents share a row of `size` tokens; every document is in exactly one, whole, none exceeds `size`.

    Best fit, longest first: each goes where it leaves least room (Johnson et al., 1974; for language models Ding
    et al., 2024). The rooms that exist are bits of one number, so 100,000 documents take a fraction of a second.
    """
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(size + 1)]  # rows by how many tokens they still take
    rooms = 0
    for document in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        length = lengths[document]
        assert 0 < length <= size, f"document {document} has {length} tokens, and a row 1 to {size}"
        enough = rooms >> length
        if enough:
            room = length + (enough & -enough).bit_length() - 1
            row = with_room[room].pop()
            if not with_room[room]:
                rooms &= ~(1 << room)
        else:
            room, row = size, len(rows)
            rows.append([])
        rows[row].append(document)
        left = room - length
        with_room[left].append(row)
        if left:
            rooms |= 1 << left
    return rows
