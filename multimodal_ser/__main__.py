"""`python -m multimodal_ser` is `mser`."""

from multimodal_ser.cli import main

if __name__ == "__main__":
    main()
