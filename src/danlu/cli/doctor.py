"""`danlu doctor`."""

from typing import Annotated

import typer


def command(
    network: Annotated[bool, typer.Option("--network", help="ask the hub once whether it answers")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print json instead of lines")] = False,
) -> None:
    """Look the machine and the installation over: what is right or missing, and the command that mends it."""
    import json
    from dataclasses import asdict

    from danlu.apps.installation.examine import examine
    from danlu.apps.installation.packages import extras, pip
    from danlu.language import default, translator
    from danlu.machine.terminal import console, show

    language = default()
    _ = translator(language)
    found = list(examine(language, network=network))
    known = extras(_)
    wrong = [finding for finding in found if finding.level == "wrong"]
    if as_json:
        told = {each.name: {"there": each.there, "for": each.purpose, "missing": each.missing} for each in known}
        show(json.dumps({"findings": [asdict(each) for each in found], "extras": told}, indent=2, ensure_ascii=False))
        raise typer.Exit(1 if wrong else 0)
    screen = console()
    marks = {"right": (_("fine"), "green"), "note": (_("note"), "yellow"), "wrong": (_("to mend"), "bold red")}
    for finding in found:
        mark, style = marks[finding.level]
        screen.print(
            f"[{mark}] {finding.said}", style=None if finding.level == "right" else style, markup=False, soft_wrap=True
        )
        if finding.remedy:
            screen.print(f"    {finding.remedy}", markup=False, soft_wrap=True)  # to be copied as one line
    screen.print(
        "\n" + _("Extras; `{command}` adds one").format(command=f"{pip()} install 'danlu[NAME]'"),
        markup=False,
        soft_wrap=True,
    )
    for each in known:
        state = _("there") if each.there else _("not there")
        screen.print(
            f"  {each.name:<12}{state}  {each.purpose}",
            markup=False,
            style=None if each.there else "dim",
            soft_wrap=True,
        )
    if wrong:
        screen.print("\n" + _("{count} things have to be mended before danlu works").format(count=len(wrong)))
        raise typer.Exit(1)
    screen.print("\n" + _("danlu has all that it needs"))
