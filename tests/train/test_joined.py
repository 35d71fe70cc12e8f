import torch

from convoscope.train.gradient import Plan, workers


def test_rows_of_all_pieces_come_in_order_whoever_is_done_first() -> None:
    pieces = list(torch.split(torch.arange(23), 4))
    with workers(Plan(shards=3)) as crew:
        found = crew.joined(lambda piece: torch.stack([piece, piece**2], 1).float(), pieces)
        assert torch.equal(found, torch.stack([torch.arange(23), torch.arange(23) ** 2], 1).float())
        assert crew.joined(lambda piece: piece.double(), pieces[:1]).dtype == torch.float64
