"""Is a task only a doorbell? Keyword-only, tolerant of a newer deploy's arguments, and its queue named at the task."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from portal.celery import QUEUES, ROOMS, TIMETABLE, OutOfMemory, app

from .source import Module, modules


def tasks() -> Iterator[tuple[Module, ast.FunctionDef, ast.expr]]:
    """Every Celery task with its decorator."""
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if "task" in ast.unparse(decorator).split("(")[0].lower():
                        yield module, node, decorator


def test_every_task_takes_keywords_only_and_bears_later_ones():
    wrong = [
        f"{module.name}.{node.name}"
        for module, node, _ in tasks()
        if node.args.args
        or node.args.posonlyargs
        or node.args.vararg
        or (node.args.kwarg or ast.arg("")).arg != "_later"
    ]

    assert wrong == []


def test_every_task_names_a_queue_that_workers_read():
    named = {}
    for module, node, decorator in tasks():
        keywords = {word.arg: word.value for word in decorator.keywords} if isinstance(decorator, ast.Call) else {}
        queue = keywords.get("queue")
        named[f"{module.name}.{node.name}"] = queue.value if isinstance(queue, ast.Constant) else None

    assert {name: queue for name, queue in named.items() if queue not in QUEUES} == {}


def test_tasks_stand_in_the_rooms_the_worker_loads():
    assert [f"{module.name}.{node.name}" for module, node, _ in tasks() if module.name not in ROOMS] == []


def test_the_timetable_rings_tasks_that_exist():
    app.loader.import_default_modules()

    assert [entry["task"] for entry in TIMETABLE.values() if entry["task"] not in app.tasks] == []


def test_a_task_without_memory_fails_alone_and_not_its_whole_worker():
    @app.task(name="tests.hungry", shared=False)
    def hungry(**_later: object) -> None:
        raise MemoryError

    try:
        with pytest.raises(OutOfMemory):
            hungry()
    finally:
        app.tasks.pop("tests.hungry")
