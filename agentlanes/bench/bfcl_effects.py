"""What each of BFCL's simulated tools does to the world, from an audit of its source.

A tool is `pure` or `read` only if no path through it changes an attribute, private ones and the
instance's random generator included, or anything process-wide, and if what it stands for leaves
no trace with anybody. Names mislead, so the odd ones say why.
"""

from __future__ import annotations

from collections.abc import Mapping

from agentlanes.speculation.effects import EffectClass

__all__ = ["EFFECTS", "OTHERS_WORDS"]

_FILES: dict[str, EffectClass] = {
    "pwd": "read",
    "ls": "read",
    "cat": "read",
    "find": "read",
    "wc": "read",
    "sort": "read",  # gives the sorted lines; the file stays as it is
    "grep": "read",
    "du": "read",
    "tail": "read",
    "diff": "read",
    "cd": "session",
    "mkdir": "write",
    "touch": "write",
    "echo": "write",  # with a file name it writes
    "mv": "write",
    "rm": "write",
    "rmdir": "write",
    "cp": "write",
}

_MATH: dict[str, EffectClass] = {
    "logarithm": "write",  # sets mpmath's process-wide precision
    "square_root": "write",  # sets the precision of the decimal context
    "mean": "pure",
    "standard_deviation": "pure",
    "si_unit_conversion": "pure",
    "imperial_si_conversion": "pure",
    "add": "pure",
    "subtract": "pure",
    "multiply": "pure",
    "divide": "pure",
    "power": "pure",
    "absolute_value": "pure",
    "round_number": "pure",
    "percentage": "pure",
    "min_value": "pure",
    "max_value": "pure",
    "sum_values": "pure",
}

_MESSAGES: dict[str, EffectClass] = {
    "list_users": "read",
    "get_user_id": "read",
    "message_get_login_status": "read",
    "view_messages_sent": "read",
    "search_messages": "read",
    "get_message_stats": "read",
    "message_login": "session",
    "send_message": "write",
    "delete_message": "write",
    "add_contact": "write",
}

_POSTS: dict[str, EffectClass] = {
    "posting_get_login_status": "read",
    "list_all_following": "read",
    "get_tweet": "read",
    "get_user_tweets": "read",
    "search_tweets": "read",
    "get_tweet_comments": "read",
    "get_user_stats": "read",
    "authenticate_twitter": "session",
    "post_tweet": "write",
    "retweet": "write",
    "comment": "write",
    "mention": "write",
    "follow_user": "write",
    "unfollow_user": "write",
}

_TICKETS: dict[str, EffectClass] = {
    "get_ticket": "read",
    "ticket_get_login_status": "read",
    "get_user_tickets": "read",
    "ticket_login": "session",
    "logout": "session",
    "create_ticket": "write",
    "close_ticket": "write",
    "resolve_ticket": "write",
    "edit_ticket": "write",
}

_TRADING: dict[str, EffectClass] = {
    "get_current_time": "pure",  # a constant
    "get_symbol_by_name": "pure",
    "get_available_stocks": "read",  # gives more where the instance holds a long context
    "get_stock_info": "read",
    "get_order_details": "read",
    "get_account_info": "read",
    "trading_get_login_status": "read",
    "get_watchlist": "read",
    "get_order_history": "read",
    "get_transaction_history": "read",
    "filter_stocks_by_price": "read",
    "notify_price_change": "read",  # tells its caller, nobody else
    "trading_login": "session",
    "trading_logout": "session",
    "cancel_order": "write",
    "place_order": "write",
    "withdraw_funds": "write",
    "fund_account": "write",
    "remove_stock_from_watchlist": "write",
    "add_to_watchlist": "write",
}

_TRAVEL: dict[str, EffectClass] = {
    "travel_get_login_status": "read",
    "get_credit_card_balance": "read",
    "retrieve_invoice": "read",
    "get_booking_history": "read",
    "verify_traveler_information": "read",
    "get_all_credit_cards": "read",
    "get_budget_fiscal_year": "pure",
    "list_all_airports": "pure",
    "compute_exchange_rate": "pure",
    "get_nearest_airport_by_city": "pure",
    "authenticate_travel": "session",
    "get_flight_cost": "write",  # replaces a private table of costs
    "register_credit_card": "write",
    "book_flight": "write",
    "cancel_booking": "write",
    "set_budget_limit": "write",
    "purchase_insurance": "write",
    "contact_customer_support": "write",  # keeps no state, but somebody would get the message
}

_VEHICLE: dict[str, EffectClass] = {
    "displayCarStatus": "read",
    "estimate_drive_feasibility_by_mileage": "read",
    "check_tire_pressure": "read",
    "get_outside_temperature_from_weather_com": "pure",  # always says 404
    "display_log": "pure",  # echoes its arguments
    "liter_to_gallon": "pure",
    "gallon_to_liter": "pure",
    "estimate_distance": "read",  # gives more where the instance holds a long context
    "get_zipcode_based_on_city": "pure",
    "find_nearest_tire_shop": "pure",
    "get_outside_temperature_from_google": "write",  # draws from the hidden random generator
    "get_current_speed": "write",  # so does this
    "startEngine": "write",
    "fillFuelTank": "write",
    "lockDoors": "write",
    "adjustClimateControl": "write",
    "setHeadlights": "write",
    "activateParkingBrake": "write",
    "pressBrakePedal": "write",
    "releaseBrakePedal": "write",
    "setCruiseControl": "write",
    "set_navigation": "write",
}

EFFECTS: Mapping[str, Mapping[str, EffectClass]] = {
    "GorillaFileSystem": _FILES,
    "MathAPI": _MATH,
    "MessageAPI": _MESSAGES,
    "TwitterAPI": _POSTS,
    "TicketAPI": _TICKETS,
    "TradingBot": _TRADING,
    "TravelAPI": _TRAVEL,
    "VehicleControlAPI": _VEHICLE,
}
"""Effect class by API class and tool."""

OTHERS_WORDS = frozenset(
    {
        *("ls", "find", "cat", "tail", "sort", "grep", "diff"),  # names and contents of files
        *("search_messages", "view_messages_sent", "list_users"),
        *("get_tweet", "get_user_tweets", "search_tweets", "get_tweet_comments"),
        *("get_ticket", "get_user_tickets"),
        "contact_customer_support",
    }
)
"""Tools that may give text which somebody else wrote, and so are not `trusted`. The others give
the API's own values: numbers, states, and identifiers that it made."""
