"""`python -m asyncq`."""

from asyncq.cli import main

if __name__ == "__main__":
    main()
