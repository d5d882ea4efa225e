"""Every error that Phoenix raises on purpose.

PhoenixError                 exit 1   internal error
├── InputError               exit 2   bad brief, option or output folder
├── ConfigurationError       exit 2   a setting, model name, price or key that cannot work
│   └── Unpriced             exit 2   no price is known for a model
├── WaitingForApproval       exit 3   a gate waits for a human
├── Halted                   exit 4   the run stopped and says what it needs
├── Rejected                 exit 5   a human rejected or cancelled
├── BudgetExceeded           exit 6   the next call could exceed a cap
├── Unreachable              exit 7   a model or a service does not answer
│   └── SandboxUnavailable   exit 7   no sandbox passed its probe
├── UnusableAnswer           exit 4   a model's answer stayed invalid after its repairs
└── TransitionRefused        exit 1   the StateFlow table does not allow a transition
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.budget import Shortfall


class PhoenixError(Exception):
    """An error with one clear line: what was wrong, what is allowed, what to type next."""

    exit_code = 1


class InputError(PhoenixError):
    exit_code = 2


class ConfigurationError(PhoenixError):
    exit_code = 2


class Unpriced(ConfigurationError):
    pass


class WaitingForApproval(PhoenixError):
    exit_code = 3


class Halted(PhoenixError):
    exit_code = 4


class Rejected(PhoenixError):
    exit_code = 5


class BudgetExceeded(PhoenixError):
    exit_code = 6

    def __init__(self, short: "Shortfall") -> None:
        super().__init__(short)
        self.short = short


class Unreachable(PhoenixError):
    exit_code = 7


class SandboxUnavailable(Unreachable):
    pass


class UnusableAnswer(PhoenixError):
    exit_code = 4


class TransitionRefused(PhoenixError):
    pass
