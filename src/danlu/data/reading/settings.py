"""What commands say of the settings of a format; see `danlu.data.reading.format.guess`. Imports nothing, for `--help`."""

SETTINGS = "keys of the file's format, as key=value: delimiter=';' or kind=spans or columns.text=review"
