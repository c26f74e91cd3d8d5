"""Spread the work on many collections over processes, with Dask: each task takes one collection.

    pip install "kinto_orm[server,dask]"
    python examples/many_processes.py

Runs against a Kinto of its own, inside this process. Collections travel to the others as
pickles, with their connection, which opens sockets of its own there.
"""

import os
import random
import statistics

from kinto_orm import Collection, Connection
from kinto_orm.testing import LocalServer

TOWNS = ["Brest", "Dijon", "Lille", "Lyon", "Nantes", "Rennes"]


def mark_outliers(readings: Collection) -> dict:
    """One task: read a collection, compute, edit, save what changed in batches."""
    # What is returned travels back: numbers and strings, not the records.
    with readings.connection:
        records = readings.get_records()
        degrees = [record.data.degrees for record in records]
        mean, spread = statistics.mean(degrees), statistics.stdev(degrees)
        for record in records:
            if abs(record.data.degrees - mean) > 3 * spread:
                record.data.outlier = True
        marked = [record for record in records if record.changes]
        readings.save_records(marked)
    return {
        "town": readings.id,
        "records": len(records),
        "mean": round(mean, 1),
        "marked": len(marked),
        "process": os.getpid(),
    }


def fill(kinto: Connection) -> list[Collection]:
    """A collection of readings for each town, two of which are beyond belief."""
    chance = random.Random(1)
    bucket = kinto.create_bucket("weather")
    towns = [bucket.create_collection(town.lower()) for town in TOWNS]
    for town in towns:
        degrees = [round(chance.gauss(15, 5), 1) for _ in range(58)] + [99.9, -99.9]
        town.records.create_many({"degrees": value} for value in degrees)
    return towns


def main() -> None:
    try:
        import dask
    except ImportError:
        raise SystemExit('This example needs Dask: pip install "kinto_orm[dask]"') from None

    with LocalServer() as server, server.connect("alice") as kinto:
        towns = fill(kinto)
        tasks = [dask.delayed(mark_outliers)(town) for town in towns]
        # By default Dask gives six tasks at a time to a process: right for small tasks only.
        results = dask.compute(*tasks, scheduler="processes", num_workers=2, chunksize=1)
        for result in results:
            print("{town:7} {records} records, mean {mean:4}, {marked} marked".format(**result))
        processes = {result["process"] for result in results}
        print(f"{len(towns)} collections, {len(processes)} processes besides this one")
        assert os.getpid() not in processes
        found = [record for town in towns for record in town.records.filter(outlier=True)]
        print(f"The server has {len(found)} marked records")
        assert {record.data.degrees for record in found} == {99.9, -99.9}


if __name__ == "__main__":
    main()
