"""What a call costs, and what it can cost at worst."""

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal
from fnmatch import fnmatchcase

from schemas.base import canonical_json
from schemas.calls import Request, Usage
from schemas.errors import Unpriced
from services.models.names import ModelName, parse_model_name
from services.settings import Price, Settings

CENTS = Decimal("0.00000001")
MILLION = Decimal(1_000_000)
REHEARSAL = Price(input=Decimal(1), output=Decimal(4))
_FRAME_BYTES = 512
"""Room for what the wire adds to messages and schema: field names and the instruction to answer in JSON."""


def worst_usage(request: Request) -> Usage:
    """An upper bound of a call's tokens: one per UTF-8 byte of input, and the output cap."""
    wire = {"messages": [m.model_dump() for m in request.messages], "schema": request.response_schema}
    return Usage(
        input_tokens=len(canonical_json(wire)) + _FRAME_BYTES, output_tokens=request.max_output_tokens
    )


def price_of(name: ModelName, usage: Usage, settings: Settings) -> Decimal:
    """The price of a usage in US dollars, rounded up.

    Raises:
        Unpriced: nothing knows the model's price.
    """
    full = f"{name.provider}:{name.rest}"
    if name.provider == "recorded" or any(fnmatchcase(full, free) for free in settings.free_models):
        return Decimal(0)
    price = REHEARSAL if name.provider == "rehearsal" else settings.prices.get(name.rest)
    if price is None:
        return round_up(_listed_price(name, usage))
    return round_up((usage.input_tokens * price.input + usage.output_tokens * price.output) / MILLION)


def price_range(
    models: Iterable[str], least: Usage, most: Usage, settings: Settings
) -> tuple[Decimal, Decimal] | None:
    """From the least usage at the cheapest of the models to the most at the dearest; None where a price is
    not known."""
    try:
        prices = [
            [price_of(name, usage, settings) for usage in (least, most)]
            for name in map(parse_model_name, models)
        ]
    except Unpriced:
        return None
    return min(low for low, _ in prices), max(high for _, high in prices)


def round_up(amount: Decimal) -> Decimal:
    """An amount with eight places, never less than it was."""
    return amount.quantize(CENTS, rounding=ROUND_UP)


def _listed_price(name: ModelName, usage: Usage) -> Decimal:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    listed = ListedUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        output_tokens=usage.output_tokens,
    )
    for provider in ("openai", None) if name.provider == "openai" else (None,):
        try:
            return calc_price(listed, name.rest, provider_id=provider).total_price
        except LookupError:
            continue
    raise Unpriced(
        f"no price is known for {name.provider}:{name.rest}. Set PHOENIX_PRICES to "
        f'{{"{name.rest}": {{"input": …, "output": …}}}} (USD per million tokens), or add the name to '
        "PHOENIX_FREE_MODELS when it costs nothing."
    )
