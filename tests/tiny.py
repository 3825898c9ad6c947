"""Models and a tokenizer small enough for tests."""

from lookback.config import Bahdanau, RNNEncoderDecoder, Transformer

MODELS = (
    RNNEncoderDecoder(
        architecture="rnn_encoder_decoder",
        embedding=8,
        hidden=8,
        readout=8,
        cell="gru-reset-after",
        initialisation="glorot",
        dropout=0.1,
    ),
    Bahdanau(
        architecture="bahdanau", embedding=8, hidden=8, attention=8, readout=8, initialisation="glorot", dropout=0.1
    ),
    Transformer(architecture="transformer", d_model=8, heads=2, d_ff=16, layers=2, dropout=0.1),
)


class PieceTokenizer:
    """Ids as text: [4, 5] is "4 5"."""

    def decode(self, ids) -> str:
        return " ".join(map(str, ids))

    def pieces(self, ids, side) -> list[str]:
        return [str(i) for i in ids]
