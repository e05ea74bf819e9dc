"""Expected calibration error in bins that hold equally many decisions (Nguyen and O'Connor, 2015)."""

from typing import ClassVar

from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import CalibrationError, equal_mass


class EceEqualMass(CalibrationError):
    """Expected calibration error over 15 bins of equally many decisions; 0 is perfect."""

    counts_alike: ClassVar[bool] = False

    def edges(self, sure_D: Floats) -> Floats:
        """Fifteenths of the decisions."""
        return equal_mass(sure_D)
