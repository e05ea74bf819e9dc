"""What commands say of the settings of a format (`danlu.data.reading.format.guess`). Imports nothing, for `--help`."""

SETTINGS = "keys of the file's format, as key=value: delimiter=';' or kind=spans or columns.text=review"
