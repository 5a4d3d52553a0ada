"""How a network's learning rate decides its resistance to analog weight noise."""

__version__ = "0.1.0"
