import torch

from lookback.training.tuning import tune


def test_numbers_too_small_for_full_precision_become_nothing() -> None:
    try:
        tune()
        assert float(torch.tensor(1e-38) * 0.1) == 0
    finally:
        torch.set_flush_denormal(False)
    assert float(torch.tensor(1e-38) * 0.1) > 0
