"""Every text that a customer reads, in English; `locale` has them in the other languages.

The order's number always stands as a word of its own, so that people and programs find it.
"""

from notifications.domain import Headline

SUBJECTS = {
    Headline.RECEIVED: "We have received your order {number}",
    Headline.PLACED: "Order {number} has been accepted",
    Headline.AGREED: "Order {number} has been confirmed",
    Headline.IN_PROGRESS: "Order {number} is being prepared",
    Headline.PART_HANDED_OVER: "Part of order {number} has been handed over",
    Headline.READY: "Order {number} is ready for pick-up",
    Headline.HANDED_OVER: "Order {number} has been handed over",
    Headline.CLOSED: "Order {number} is complete",
    Headline.CLOSED_EARLY: "Order {number} has been closed",
    Headline.CANCELLED: "Order {number} has been cancelled",
    Headline.REOPENED: "Order {number} is open again",
    Headline.LINES: "Order {number} has been changed",
    Headline.PAYMENT_RECEIVED: "We have received a payment for order {number}",
    Headline.PAYMENT_REDUCED: "The amount paid for order {number} has changed",
    Headline.REFUNDED: "The money for order {number} has been returned",
    Headline.BALANCE: "The amount to pay for order {number} has changed",
    Headline.UPDATED: "There is news about order {number}",
    Headline.HOLD_ENDS: "Order {number} is waiting for you until {date}",
    Headline.HOLD_ENDED: "The pick-up time of order {number} has ended",
}
OPENINGS = {
    Headline.RECEIVED: "Thank you for your order! We will look through it and confirm it soon.",
    Headline.PLACED: (
        "Thank you for your order! We are setting the goods aside for you and will write as soon "
        "as everything is ready."
    ),
    Headline.AGREED: "We have confirmed your order and are getting the goods ready.",
    Headline.IN_PROGRESS: (
        "Some of the goods are still on their way to us. We will write as soon as everything is "
        "here."
    ),
    Headline.PART_HANDED_OVER: (
        "You have received a part of your order. We will write when the rest is ready."
    ),
    Headline.READY: "All the goods of your order are here and waiting for you.",
    Headline.HANDED_OVER: (
        "All the goods of your order have been handed over to you or to the delivery service."
    ),
    Headline.CLOSED: (
        "Everything in your order has been handed over and paid. Thank you for choosing us!"
    ),
    Headline.CLOSED_EARLY: (
        "We have closed your order. Goods that you have not received are no longer kept for you."
    ),
    Headline.CANCELLED: (
        "Your order has been cancelled, and its goods are no longer kept for you."
    ),
    Headline.REOPENED: "Your order is not finished yet, so we have opened it again.",
    Headline.LINES: (
        "The goods or prices of your order have changed. This is what it looks like now."
    ),
    Headline.PAYMENT_RECEIVED: "",
    Headline.PAYMENT_REDUCED: "",
    Headline.REFUNDED: "",
    Headline.BALANCE: "The amount that is left to pay has changed.",
    Headline.UPDATED: "Something about your order has changed. This is what it looks like now.",
    Headline.HOLD_ENDS: (
        "We are keeping the goods of your order until {date}. Please pick them up by then. If you "
        "need more time, tell us and we will keep them longer."
    ),
    Headline.HOLD_ENDED: (
        "We kept the goods of your order until {date}. Please pick them up soon, or tell us if you "
        "need more time: otherwise they may go back on sale."
    ),
}
# The opening when a part of the order was handed over before.
READY_REST = "The rest of your order is here and waiting for you."
KEPT_UNTIL = "We are keeping the goods for you until {date}."
MONEY_CAME = "We have received {amount} from you. Thank you!"
MONEY_WENT = (
    "The amount paid has gone down by {amount}: a payment was cancelled, or money was returned to "
    "you."
)
MONEY_RETURNED = "We have returned {amount} to you."
OVERPAID = (
    "You have paid {amount} more than the order costs. We will return it, or count it towards "
    "another order: just tell us."
)
LEFT_TO_PAY = "Left to pay: {amount}."

GREETING = "Hello, {name}!"
GREETING_NAMELESS = "Hello!"
ITEM = "Item"
QUANTITY = "Quantity"
AMOUNT = "Amount"
TOTAL = "Total"
PREPAYMENT = "Prepayment"
PAID = "Paid"
DUE = "Left to pay"
MORE_LINES = "Further lines: {count}"
AWAITED = "still on its way: {quantity}"
SIGNED = "Kind regards,"
WHY_STORE = "You receive this e-mail because you placed order {number} at {store}."
WHY = "You receive this e-mail because you placed order {number} with us."
PIECES = "{quantity} pcs"
KILOGRAMS = "{quantity} kg"
METRES = "{quantity} m"

OTHERS = (
    READY_REST, KEPT_UNTIL, MONEY_CAME, MONEY_WENT, MONEY_RETURNED, OVERPAID, LEFT_TO_PAY, GREETING,
    GREETING_NAMELESS, ITEM, QUANTITY, AMOUNT, TOTAL, PREPAYMENT, PAID, DUE, MORE_LINES, AWAITED,
    SIGNED, WHY_STORE, WHY, PIECES, KILOGRAMS, METRES,
)  # fmt: skip
ALL = (*SUBJECTS.values(), *(text for text in OPENINGS.values() if text), *OTHERS)
