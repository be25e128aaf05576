"""All the ways a caller can take through a flow, and what no way may do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ivr_flows.steps import Ask, Connect, Goto, HangUp, Language, Prompt, Say, Step

if TYPE_CHECKING:
    from ivr_flows.problems import Limits, Prompts
    from ivr_flows.reading import Draft

MOST_PLACES = 5000
"""Step, language and rounds together: more than any menu a caller could follow."""

Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caller is: the step, the language spoken, and the rounds made in each loop."""

    step: str
    language: str
    rounds: tuple[tuple[str, int], ...] = ()


def examine(draft: Draft, prompts: Prompts, limits: Limits) -> None:
    """Add to the draft's problems what its ways do wrong."""
    steps = draft.steps
    alive = set(_reached([draft.start], lambda name: _targets(steps, name)))
    _no_dead_step(draft, alive)
    loops = _no_endless_loop(draft, alive)
    _nobody_dropped(draft, alive)
    if not loops and draft.start in steps:
        _nobody_late(draft, prompts, limits)


def _no_dead_step(draft: Draft, alive: set[str]) -> None:
    for name in draft.declared - alive if draft.start else ():
        draft.complain(
            ("step", name), f'step "{name}" is dead: no way leads to it', "lead to it or remove it"
        )


def _no_endless_loop(draft: Draft, alive: set[str]) -> bool:
    """Every loop must pass a `goto` with `at_most`, after which it leads out of the loop."""

    def unbounded(name: str) -> Iterator[str]:
        step = draft.steps.get(name)
        if isinstance(step, Goto) and step.then is not None:
            return iter((step.then,))
        return _targets(draft.steps, name)

    found = False
    for circle in _circles([name for name in draft.steps if name in alive], unbounded):
        found = True
        way = " → ".join([*circle, circle[0]])
        draft.complain(
            ("step", circle[0]),
            f"loop without an exit to a human: {way}",
            "go round through a step with goto, at_most and then",
        )
    return found


def _nobody_dropped(draft: Draft, alive: set[str]) -> None:
    for name, step in draft.steps.items():
        if name not in alive:
            continue
        if isinstance(step, HangUp) and draft.kind != "test":
            draft.complain(
                ("step", name, "hang_up"),
                "a caller who wants help could be dropped here",
                'connect instead; only a flow of kind "test" may hang up',
            )
        if isinstance(step, Ask) and not step.barge_in and draft.kind != "test":
            draft.complain(
                ("step", name, "barge_in"),
                "a key pressed during the prompt would be lost",
                "remove barge_in = false",
            )
        if isinstance(step, Ask) and draft.kind == "test":
            _help_is_given(draft, step)


def _help_is_given(draft: Draft, ask: Ask) -> None:
    """Who speaks may be in need, and our own failure proves nothing about the caller."""
    for word, target in (("voice", ask.voice), ("failure", ask.failure)):
        reached = _reached([target], lambda name: _targets(draft.steps, name))
        if any(isinstance(draft.steps.get(name), HangUp) for name in reached):
            draft.complain(
                ("step", ask.name, word),
                f"`{word}` can end in hanging up",
                "lead it to a connect, on a test number too",
            )


def _nobody_late(draft: Draft, prompts: Prompts, limits: Limits) -> None:
    start = Place(draft.start, draft.language)

    def onward(place: Place) -> list[Place]:
        return list(_onward(draft.steps, place))

    order = _postorder(start, onward)
    if len(order) > MOST_PLACES:
        draft.complain(
            ("start",), f"more than {MOST_PLACES} ways", "use fewer loops, or a smaller at_most"
        )
        return
    after: dict[Place, tuple[float, tuple[str, ...]]] = {start: (0.0, ())}
    slowest: dict[str, tuple[float, tuple[str, ...]]] = {}
    for place in reversed(order):
        spent, way = after[place]
        step = draft.steps[place.step]
        arrived = (spent + _length_s(step, place.language, prompts), (*way, place.step))
        if isinstance(step, Connect):
            slowest[place.step] = max(arrived, slowest.get(place.step, arrived))
        for following in onward(place):
            after[following] = max(arrived, after.get(following, arrived))
    for name, (length_s, way) in slowest.items():
        if length_s > limits.answer_within_s:
            draft.complain(
                ("step", name),
                f"{length_s:.1f} s from answer to a human on the way {' → '.join(way)}",
                f"shorten prompts or wait_s to {limits.answer_within_s:g} s (answer_within_s)",
            )


def _length_s(step: Step, language: str, prompts: Prompts) -> float:
    """Give the longest a caller can stay in a step, in seconds."""

    def spoken(prompt: Prompt) -> float:
        said_in = prompt.language or language
        return prompts.length_s(prompt.name, said_in) if prompts.has(prompt.name, said_in) else 0.0

    match step:
        case Say(prompts=said):
            return sum(map(spoken, said))
        case Ask(prompts=said, wait_s=wait_s):
            return sum(map(spoken, said)) + wait_s
        case _:
            return 0.0


def _onward(steps: Mapping[str, Step], place: Place) -> Iterator[Place]:
    step = steps[place.step]
    rounds = dict(place.rounds)
    targets = [end.target for end in step.ends()]
    if isinstance(step, Goto) and step.at_most is not None:
        made = rounds.get(step.name, 0)
        targets = targets[:1] if made < step.at_most else targets[1:]
        rounds[step.name] = min(made + 1, step.at_most)
    language = step.language if isinstance(step, Language) else place.language
    for target in dict.fromkeys(targets):
        if target in steps:
            yield Place(target, language, tuple(sorted(rounds.items())))


def _targets(steps: Mapping[str, Step], name: str) -> Iterator[str]:
    step = steps.get(name)
    return (end.target for end in (step.ends() if step else ()) if end.target)


def _reached(starts: Iterable[str], onward: Callable[[str], Iterable[str]]) -> Iterator[str]:
    waiting, seen = [name for name in starts if name], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting.extend(onward(name))


def _circles(names: list[str], onward: Callable[[str], Iterable[str]]) -> Iterator[list[str]]:
    """One circle for every group of steps that go round, from the first step of it in the file."""
    told: set[str] = set()
    for name in names:
        if name in told:
            continue
        came_from: dict[str, str] = {}
        waiting = [name]
        while waiting and name not in came_from:
            here = waiting.pop(0)
            for following in onward(here):
                if following not in came_from:
                    came_from[following] = here
                    waiting.append(following)
        if name in came_from:
            circle = [name]
            while came_from[circle[-1]] != name:
                circle.append(came_from[circle[-1]])
            ordered = [circle[0], *reversed(circle[1:])]
            told.update(ordered)
            yield ordered


def _postorder(start: Node, onward: Callable[[Node], Iterable[Node]]) -> list[Node]:
    """Every node after all that follow it; stops soon after MOST_PLACES. There are no circles."""
    done: dict[Node, None] = {}
    open_: list[tuple[Node, Iterator[Node]]] = [(start, iter(onward(start)))]
    seen = {start}
    while open_ and len(done) <= MOST_PLACES:
        node, following = open_[-1]
        fresh = next((n for n in following if n not in seen), None)
        if fresh is None:
            done[node] = None
            open_.pop()
        else:
            seen.add(fresh)
            open_.append((fresh, iter(onward(fresh))))
    return list(done)
