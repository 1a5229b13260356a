"""Whole games in simulated time: stand-in -> messages through codec and steering -> world, sixty frames a second."""

import random
from typing import Literal

from examples.game.brain import HOP_S, Brain, hello_content
from examples.game.messages import Link
from examples.game.play import Play
from examples.game.steering import CALM, Hands, Wind, wind_of
from examples.game.world import Gate, Happening, Pace
from rtbci.publish.codec import decode, encode
from rtbci.publish.messages import Message, Prediction
from rtbci.publish.outbox import Outbox

__all__ = ["HANDS", "Game", "Overheard", "Rule", "games"]

Rule = Literal["cue", "coin", "left"]
"""What the player imagines: what the game asks for, a side by a coin, always the left."""
HANDS = Hands("left_hand", "right_hand")
FRAME_S = 1.0 / 60


class Overheard:
    """A sink that keeps predictions as a listener would have read them."""

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []

    def send(self, message: Message) -> None:
        received = decode(message.topic, encode(message))
        if isinstance(received, Prediction):
            self.predictions.append(received)

    def poll(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Game:
    """A `Play` with a stand-in, in simulated time."""

    def __init__(self, brain: Brain, n_gates: int, seed: int, rule: Rule = "cue") -> None:
        self.t = 1000.0
        self.brain, self.sink = brain, Overheard()
        self.play = Play(n_gates, Pace(), random.Random(seed))
        self.link: Link = "running"
        self.wind: Wind = CALM
        self._coin, self._rule = random.Random(seed + 1), rule
        self._outbox = Outbox(hello_content(), [self.sink], session="s", clock=lambda: self.t)
        self._t_due = self.t
        self.play.step(0.0, "running", CALM)
        self.happenings = self.play.start()

    def frame(self) -> None:
        """A sixtieth of a second: what the program's loop does, without a screen."""
        self.t += FRAME_S
        gust = 0
        if self.t >= self._t_due:
            self._t_due += HOP_S
            decoded = self.brain.window(self.t)
            if decoded is not None:
                self._outbox.prediction(decoded)
                self.wind = wind_of(self.sink.predictions[-1], HANDS, 0.7)
                gust = self.wind.gust
        for happening in self.play.step(FRAME_S, self.link, self.wind._replace(gust=gust)):
            self.happenings.append(happening)
            self._imagine(happening)

    def to_the_end(self) -> list[Gate]:
        """Play until the game is over."""
        while self.play.mode != "over":
            self.frame()
        return self.play.world.gates

    def _imagine(self, happening: Happening) -> None:
        if happening.kind == "rest":
            self.brain.intent = "rest"
        elif happening.kind == "cue" and happening.side is not None:
            sides = {"cue": happening.side, "coin": self._coin.choice(("left", "right")), "left": "left"}
            self.brain.intent = "left" if sides[self._rule] == "left" else "right"


def games(accuracy: float, rule: Rule, n_games: int = 5, n_gates: int = 7) -> list[Gate]:
    """Lanterns of several games; seven take a minute."""
    return [
        gate
        for seed in range(n_games)
        for gate in Game(Brain(accuracy, seed=seed), n_gates, 100 + seed, rule).to_the_end()
    ]
