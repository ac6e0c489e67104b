"""Holds ranks of real or example prices against what numpy makes of the file.

    prices.py ADDRESS CSV_FILE

The file was imported. Deviations of prices and of log returns, and the order of symbols by each,
must be those that numpy computes from the file; its numbers have 53 bits, Daybook's are exact.
Prints a line a check, as `scripts/e2e` does.
"""

import csv
import datetime
import sys
import warnings
from math import isnan

import grpc
import numpy
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

DAY = datetime.timedelta(days=1)


def series(path):
    """Prices of each symbol in the order of time, and the first and last instant of all."""
    ticks = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            at = datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00"))
            ticks.setdefault(row["symbol"], {})[at] = float(row["price"])
    instants = [at for of_symbol in ticks.values() for at in of_symbol]
    ordered = {
        symbol: numpy.array([of_symbol[at] for at in sorted(of_symbol)])
        for symbol, of_symbol in ticks.items()
    }
    return ordered, min(instants), max(instants)


def place(symbol, value):
    return (1, 0, symbol) if isnan(value) else (0, -value, symbol)


def is_same(found, value):
    return found == "" if isnan(value) else abs(float(found) / value - 1) < 1e-9


def main(address: str, path: str) -> None:
    prices, first, last = series(path)
    # A deviation of one number is no number, which is what is wanted.
    warnings.simplefilter("ignore", RuntimeWarning)
    expected = {
        "SYMBOL_METRIC_STDDEV_OF_PRICE": lambda price: price.std(ddof=1),
        "SYMBOL_METRIC_STDDEV_OF_RETURN": lambda price: numpy.diff(numpy.log(price)).std(ddof=1),
        "SYMBOL_METRIC_COEFFICIENT_OF_VARIATION": lambda price: price.std(ddof=1) / price.mean(),
        "SYMBOL_METRIC_CHANGE_PERCENT": lambda price: (price[-1] / price[0] - 1) * 100,
        "SYMBOL_METRIC_MEAN": lambda price: price.mean(),
    }
    channel = grpc.insecure_channel(address)
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindMethodByName("daybook.v1.PriceService.RankSymbols")
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    rank = channel.unary_unary(
        "/daybook.v1.PriceService/RankSymbols",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    for metric, compute in expected.items():
        request = request_class(include_thin=True, verify=True)
        request.metric = pool.FindEnumTypeByName("daybook.v1.SymbolMetric").values_by_name[
            metric
        ].number
        request.window.start.FromDatetime(first)
        request.window.end.FromDatetime(last + DAY)
        answer = rank(request, timeout=30)
        found = {row.symbol: row for row in answer.rows}
        values = {symbol: compute(price) for symbol, price in prices.items()}
        # What numpy cannot tell is undefined, and comes last, by name.
        ranked = sorted(prices, key=lambda symbol: place(symbol, values[symbol]))
        is_right = (
            [row.symbol for row in answer.rows] == ranked
            and answer.verification_difference == ""
            and all(found[symbol].tick_count == len(prices[symbol]) for symbol in prices)
            and all(is_same(found[symbol].value, values[symbol]) for symbol in prices)
        )
        outcome = "ok" if is_right else "FAILED"
        print(f"{outcome:7} {metric} of {len(prices)} symbols is what numpy says", flush=True)


main(*sys.argv[1:])
