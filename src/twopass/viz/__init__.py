"""The room of the pictures; their address is `twopass.plot`."""

__all__: list[str] = []
