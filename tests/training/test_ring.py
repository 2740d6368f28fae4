"""The demonstration of the ring: the full batch's loss and gradients, and bytes that add up."""

import pytest

from vlmlearn.training import RingReport, ring_demo


def test_two_processes():
    report = ring_demo(pairs=64, dim=16, processes=2)
    assert isinstance(report, RingReport)
    assert report.loss == pytest.approx(report.loss_alone, rel=1e-6)
    assert 0 <= report.gradient_error <= 1e-5
    assert report.matrix_bytes == 64 * 64 * 4
    assert report.gathered_bytes == 64 * 16 * 4
    assert report.foreign_bytes == 2 * 32 * 16 * 4
    assert report.sent_bytes == 3 * 32 * 16 * 4


@pytest.mark.parametrize("numbers", [(63, 16, 2), (0, 16, 2), (64, 0, 2), (64, 16, 0)])
def test_numbers_that_do_not_fit(numbers):
    with pytest.raises(ValueError, match="expected numbers from 1 on, and a multiple of"):
        ring_demo(*numbers)
