"""A bar that leans to the side that a decoder sees; the least that shows everything honestly.

    pip install '.[game]'
    python feedback_bar.py [tcp://127.0.0.1:5571]

Blue grows to the left with the probability of the first class, orange to the right with that of the second one; a white frame is
a decision. Without one the reason stands below. Esc or closing the window ends it.
"""

import os
import sys

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import pygame

from rtbci import Client, RtbciError
from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.publish.messages import Prediction

NIGHT, TRACK, INK, MUTED = (10, 14, 30), (34, 44, 76), (236, 240, 248), (142, 156, 184)
COLOURS = ((86, 180, 233), (244, 168, 40))  # told apart with any colour vision; sides differ too
SILENT_FRAMES = 60  # a second


def draw(screen: pygame.Surface, font: pygame.font.Font, prediction: Prediction | None, n_lost: int) -> None:
    """Draw what a prediction says; None: nothing comes."""
    screen.fill(NIGHT)
    width, height = screen.get_size()
    bar = pygame.Rect(width // 10, height * 2 // 5, width * 4 // 5, height // 5)
    pygame.draw.rect(screen, TRACK, bar, border_radius=8)
    words = "nothing comes; is `rtbci run` running?"
    if prediction is not None:
        words = (prediction.decision or prediction.reason).replace("_", " ")
        for i, (name, colour) in enumerate(zip(prediction.classes[:2], COLOURS, strict=False)):
            p = prediction.probs[i] if prediction.probs else 0.0
            length = round(bar.width / 2 * p)
            left = bar.centerx - length if i == 0 else bar.centerx
            pygame.draw.rect(screen, colour, (left, bar.top, length, bar.height))
            percent = f"{100 * p:.0f} %" if prediction.probs else "--"
            label = font.render(f"{name.replace('_', ' ')}  {percent}", True, colour)
            screen.blit(label, (bar.left if i == 0 else bar.right - label.get_width(), bar.top - 34))
        if prediction.decision is not None:
            pygame.draw.rect(screen, INK, bar.inflate(8, 8), width=3, border_radius=10)
        facts = font.render(f"age {prediction.age_ms:.0f} ms, {n_lost} lost", True, MUTED)
        screen.blit(facts, (bar.right - facts.get_width(), bar.bottom + 12))
    screen.blit(font.render(words, True, INK), (bar.left, bar.bottom + 12))


def main(address: str) -> None:
    """Show predictions from an address until the window is closed."""
    pygame.display.init()
    pygame.font.init()
    screen = pygame.display.set_mode((800, 300), pygame.RESIZABLE)
    pygame.display.set_caption("rtbci feedback")
    font, pace, n_old, newest = pygame.font.Font(None, 28), pygame.time.Clock(), 0, None
    with Client(address) as client:
        while not any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE)
            for event in pygame.event.get()
        ):
            message = client.latest()
            n_old, newest = (n_old + 1, newest) if message is newest else (0, message)
            shown = newest if isinstance(newest, Prediction) and n_old < SILENT_FRAMES else None
            draw(screen, font, shown, client.n_lost["prediction"])
            pygame.display.flip()
            pace.tick(60)
    pygame.quit()


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else PUBLISH_ADDRESS)
    except RtbciError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
