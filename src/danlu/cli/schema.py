"""`danlu schema`."""


def command() -> None:
    """Print the JSON Schema of recipes, for editors.

    With the YAML extension of VS Code, write it to a file and begin a recipe with the line
    `# yaml-language-server: $schema=recipe.schema.json`.
    """
    import json

    from danlu.language import default
    from danlu.machine.terminal import show
    from danlu.recipe.schema import schema
    from danlu.recipe.told import schema_in
    from danlu.stages.recipe import Recipe

    show(json.dumps(schema_in(default(), schema(Recipe)), indent=2, ensure_ascii=False))
