"""Which layers of a deep network stand for those of a shallow one."""


def spaced(deep: int, shallow: int) -> tuple[int, ...]:
    """Of `deep` layers, counted from 1, `shallow` ones as far apart as they come out, the last among them.

    Each is the last of the layers that one of the shallow network stands for (Jiao et al., 2020, the uniform map).
    """
    assert 1 <= shallow <= deep
    return tuple((place * deep + shallow // 2) // shallow for place in range(1, shallow + 1))
