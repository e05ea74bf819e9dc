"""`python -m danlu` is the command `danlu`."""

from danlu.cli.main import main

if __name__ == "__main__":
    main()
