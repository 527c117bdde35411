"""Verbs that show what there is: list, cache."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What `list` can list."""

    datasets = "datasets"
    asr = "asr"
    augment = "augment"
    encoders = "encoders"
    fusion = "fusion"
    learners = "learners"
    metrics = "metrics"
    protocols = "protocols"


cache = typer.Typer(no_args_is_help=True, help="The features on disk.")


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_components)
    app.add_typer(cache, name="cache")


def list_components(
    kind: Annotated[Kind | None, typer.Argument(help="By default everything.")] = None,
) -> None:
    """Name every component, from datasets to learners, every metric and protocol, a line each."""
    from multimodal_ser.config import registry

    for each in [kind] if kind else list(Kind):
        print(f"{each.value}:")
        if each in (Kind.metrics, Kind.protocols):
            rows = _functions(each)
        else:
            rows = {name: registry.summary(each, name) for name in registry.names(each)}
            rows |= {name: f"from {where}" for name, where in registry.outside(each).items()}
        for name, line in rows.items():
            print(f"  {name:22} {line}")
        if each is Kind.datasets:
            _known(whole=kind is not None)


def _known(*, whole: bool) -> None:
    """Corpora that are known by name, with or without a loader."""
    from multimodal_ser.config import registry
    from multimodal_ser.corpus import known

    loaders = {*registry.names("datasets"), *registry.outside("datasets")}
    if not whole:
        others = [name for name in known.table() if name not in loaders]
        print(f"  and {len(others)} more through manifest; what is known: mser list datasets")
        return
    print("known corpora:")
    for name, corpus in known.table().items():
        print(corpus.paragraph(shipped=name in loaders))


def _functions(kind: Kind) -> dict[str, str]:
    from multimodal_ser.evaluation import metrics
    from multimodal_ser.protocol import splits

    home = metrics if kind is Kind.metrics else splits
    return {name: (home.find(name).__doc__ or "").partition("\n")[0] for name in home.names()}


@cache.command("ls")
def list_cache() -> None:
    """One line a store: what made it, its size, when it was last used."""
    from multimodal_ser.features.store import default_root, inventory

    root = default_root()
    print(f"{root}:")
    for row in inventory(root):
        options = ", ".join(f"{key}={value}" for key, value in row["options"].items())
        size = f"{row['bytes'] / 2**20:.1f} MiB in {row['shards']} shards"
        print(f"  {row['store']}  {size}, used {row['days_unused']:.0f} days ago  ({options})")


@cache.command("verify")
def verify_cache() -> None:
    """Check every shard, and decode again every file it remembers; exit 4 where one differs."""
    from multimodal_ser.features.contents import verify_contents
    from multimodal_ser.features.store import default_root, verify
    from multimodal_ser.features.transcripts import damaged
    from multimodal_ser.types import DataError, listed

    root = default_root()
    bad = [*verify(root), *damaged(root)]
    if bad:
        raise DataError(listed(bad, "shards are damaged (the next run computes them again)"))
    changed = verify_contents(root)
    if changed:
        raise DataError(listed(changed, f"files changed unseen; remove {root / 'contents'}"))
    print(f"{root}: every shard and every remembered file is as it was")


@cache.command("prune")
def prune_cache(
    days: Annotated[float, typer.Option(min=0, help="Remove what was not used for so long.")],
) -> None:
    """Remove stores that have not been used for some days."""
    from multimodal_ser.features.store import default_root, prune

    for store in prune(default_root(), days):
        print(f"removed {store}")
