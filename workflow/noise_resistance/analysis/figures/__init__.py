"""The paper's figures, one module each, so that a change of one's style redraws only that one.

Each module has ``draw``, from files to files, and ``figure_of``, from a tidy table to a Matplotlib
figure. Palette, sizes, legend and saving are in `style`.
"""
