"""Times a training step and a search step of every model of an experiment against source length, side by side.

Reads:   conf/<experiment>.yaml: speed, grid, models, train.scale_down, tokenize.vocabulary_size, translate.beam,
         evaluate; params.yaml: hardware
Writes:  reports/<experiment>/speed.csv: ratios, one row per point (see `lookback.probes.points.Point`); the header
         alone without `speed` settings
Example: python -m pipeline.speed --experiment scores
"""

from lookback.config import NetworkSettings, load_params
from lookback.probes.points import write_points
from lookback.probes.speed import measure
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__).parse_args()
    experiment, layout = stage.load(given.experiment)
    settings = {run.model: experiment.model(run) for run in experiment.runs}
    networks = {name: model for name, model in settings.items() if isinstance(model, NetworkSettings)}
    points = []
    if experiment.speed is not None and networks:
        vocabulary, beam = experiment.tokenize.vocabulary_size, experiment.translate.beam
        hardware = load_params().hardware
        points = list(measure(networks, experiment.speed, vocabulary, beam, experiment.evaluate, hardware))
    layout.reports.mkdir(parents=True, exist_ok=True)
    write_points(layout.reports / "speed.csv", points)


if __name__ == "__main__":
    stage.run(main)
