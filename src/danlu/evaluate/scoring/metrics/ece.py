"""Expected calibration error in bins of equal width (Naeini et al., 2015; Guo et al., 2017)."""

from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.probable import CalibrationError, equal_width


class Ece(CalibrationError):
    """Expected calibration error over 15 bins of equal width; 0 is perfect."""

    def edges(self, sure_D: Floats) -> Floats:
        """Fifteenths."""
        return equal_width()
