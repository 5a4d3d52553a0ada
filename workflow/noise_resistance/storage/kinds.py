"""The kinds of files the workflow writes, each with the version of its layout."""

from dataclasses import dataclass

from noise_resistance.errors import DataError

__all__ = ["KINDS", "Kind", "kind_named"]


@dataclass(frozen=True)
class Kind:
    """One kind of HDF5 file.

    Attributes:
        name: the value of the file's attribute ``kind``.
        title: one sentence for people.
        schema_version: raised whenever the layout changes; part of the fingerprint of every rule
            that writes this kind (DESIGN: staleness).
    """

    name: str
    title: str
    schema_version: int


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "dataset",
            "Images and labels of one dataset, as published, split into training and test.",
            1,
        ),
        Kind(
            "weights", "Weights of one trained model after its last epoch, as Keras saves them.", 1
        ),
        Kind("history", "Loss, accuracy and learning rate of one training, epoch by epoch.", 1),
        Kind(
            "optimizer", "The optimizer's state after a training, its second moments among it.", 1
        ),
        Kind("checkpoint", "The state of an unfinished training after its last finished epoch.", 1),
        Kind("baseline", "Test accuracy of one trained model without noise.", 2),
        Kind(
            "noise",
            "Test accuracy of noisy copies (draws) of one trained model at one noise level.",
            2,
        ),
        Kind("summary", "Accuracies of all evaluations of one study, one row an observation.", 1),
        Kind("lengths", "Trainings and their snapshots: loss, accuracy and how they settled.", 1),
        Kind("layers", "Accuracies with noise on one layer alone, of all trainings.", 1),
        Kind("diagnostics", "Dead channels, amplification and gradient noise of one training.", 2),
        Kind("diagnostics_summary", "Diagnostics of all trainings of one study.", 1),
        Kind("external", "Accuracies of models that were trained elsewhere.", 1),
    )
}


def kind_named(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        DataError: there is no such kind.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise DataError(
            f"'{name}' is no kind of file of this workflow (known: {', '.join(KINDS)})"
        ) from None
