"""Publish a list of rows to a collection: create, update and delete only what differs.

Runs against a Kinto of its own, inside this process. To use another server:

    KINTO_SERVER=http://localhost:8888/v1 KINTO_AUTH=alice:p4ssw0rd python examples/publish.py
"""

import csv
import io
import os

from kinto_orm import Connection
from kinto_orm.testing import LocalServer

PRICES = "id,name,price\ntea,Green tea,3.50\nmilk,Milk,1.20\nbread,Bread,2.80\n"


def publish(kinto: Connection, table: str) -> None:
    shop = kinto.create_bucket("shop", if_not_exists=True)
    goods = shop.create_collection("goods", if_not_exists=True)
    rows = ({**row, "price": float(row["price"])} for row in csv.DictReader(io.StringIO(table)))
    plan = goods.records.sync_from(rows, delete=True, dry_run=True)
    print(plan)
    plan.apply()


def main() -> None:
    if "KINTO_SERVER" in os.environ:
        auth = os.environ.get("KINTO_AUTH", "alice:p4ssw0rd")
        with Connection(os.environ["KINTO_SERVER"], auth) as kinto:
            publish(kinto, PRICES)
        return
    with LocalServer() as server, server.connect("alice") as kinto:
        publish(kinto, PRICES)
        print("\nThe same once more:")
        publish(kinto, PRICES)
        print("\nMilk costs more, there is no bread, and coffee is new:")
        publish(kinto, "id,name,price\ntea,Green tea,3.50\nmilk,Milk,1.40\ncoffee,Coffee,5.00\n")


if __name__ == "__main__":
    main()
