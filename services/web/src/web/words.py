"""The names that people read for the API's codes."""


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for a message said later.
    return message


STATUS = {
    "draft": N_("Draft"),
    "pending_approval": N_("Waiting for approval"),
    "agreed": N_("Agreed"),
    "in_progress": N_("In progress"),
    "ready": N_("Ready"),
    "shipped": N_("Handed over"),
    "closed": N_("Closed"),
    "cancelled": N_("Cancelled"),
}
FINANCIAL_STATUS = {
    "unpaid": N_("Unpaid"),
    "partly_paid": N_("Partly paid"),
    "paid": N_("Paid"),
    "overpaid": N_("Overpaid"),
    "refunded": N_("Refunded"),
}
CHANNEL = {
    "counter": N_("Counter"),
    "phone": N_("Telephone"),
    "email": N_("E-mail"),
    "site": N_("Site"),
    "social_network": N_("Social network"),
    "messenger": N_("Messenger"),
    "marketplace": N_("Marketplace"),
    "salesman": N_("Salesman"),
}
METHOD = {"cash": N_("Cash"), "card": N_("Card"), "bank": N_("Bank transfer")}
HOLD_METHOD = {"separate": N_("Put aside"), "nominal": N_("Stays on the shelf")}
HELD_GOODS_SALE = {"warn": N_("Allowed with a warning"), "block": N_("Needs a manager")}
DOCUMENT_KIND = {"proforma": N_("Proforma"), "invoice": N_("Invoice")}
DOCUMENT_STATE = {
    "open": N_("Open"),
    "partly_paid": N_("Partly paid"),
    "paid": N_("Paid"),
    "cancelled": N_("Cancelled"),
}
MONEY_STATE = {"posted": N_("Posted"), "cancelled": N_("Cancelled")}
SHIPMENT_STATE = {
    "draft": N_("Draft"),
    "posting": N_("Being posted"),
    "posted": N_("Posted"),
    "refused": N_("Refused"),
}
SHIPMENT_KIND = {"hand_over": N_("Hand-over"), "delivery": N_("Delivery")}
JOB_STATE = {
    "queued": N_("Queued"),
    "printing": N_("Printing"),
    "printed": N_("Printed"),
    "failed": N_("Failed"),
    "unknown": N_("Unknown"),
    "expired": N_("Expired"),
}
JOB_KIND = {"deposit_receipt": N_("Deposit receipt")}
MESSAGE_CHANNEL = {"email": N_("E-mail"), "account": N_("Personal account")}
MESSAGE_STATE = {
    "queued": N_("Queued"),
    "sending": N_("Sending"),
    "sent": N_("Sent"),
    "failed": N_("Failed"),
}
HOLD_STATE = {
    "held": N_("Held"),
    "awaiting": N_("Awaited"),
    "put_back": N_("Put back"),
    "done": N_("Handed over"),
    "released": N_("Released"),
}
TRANSFER_STATE = {"planned": N_("Planned"), "posted": N_("Posted"), "cancelled": N_("Cancelled")}
UNIT = {"piece": N_("pcs"), "kg": N_("kg"), "m": N_("m")}
ROLE = {
    "owner": N_("Owner"),
    "manager": N_("Manager"),
    "cashier": N_("Cashier"),
    "customer": N_("Customer"),
    "device": N_("Device"),
}
# The tone of a mark; each has its word beside it.
TONE = {
    "draft": "quiet",
    "pending_approval": "wait",
    "agreed": "go",
    "in_progress": "go",
    "ready": "good",
    "shipped": "good",
    "closed": "quiet",
    "cancelled": "bad",
    "unpaid": "wait",
    "partly_paid": "wait",
    "paid": "good",
    "overpaid": "bad",
    "refunded": "quiet",
    "open": "wait",
    "posted": "good",
    "posting": "go",
    "refused": "bad",
    "queued": "go",
    "sending": "go",
    "printing": "go",
    "printed": "good",
    "sent": "good",
    "failed": "bad",
    "unknown": "wait",
    "expired": "bad",
    "planned": "go",
    "held": "good",
    "awaiting": "wait",
}
# What the order's history says happened.
HAPPENED = {
    "placed": N_("Order taken"),
    "agreed": N_("Agreed"),
    "lines_changed": N_("Lines changed"),
    "cancelled": N_("Cancelled"),
    "cancel_voided": N_("Cancelling came too late"),
    "closed": N_("Closed"),
    "marked_for_removal": N_("Marked for removal"),
    "restored": N_("Restored"),
    "holds_decided": N_("Holds decided"),
    "holds_changed": N_("Holds changed"),
    "goods_taken": N_("Goods taken out of stock"),
    "goods_handed_over": N_("Goods handed over"),
    "payment_posted": N_("Payment posted"),
    "payment_cancelled": N_("Payment cancelled"),
    "refund_posted": N_("Refund posted"),
    "hand_over_settled": N_("Hand-over settled"),
    "asked_again": N_("Holds asked for again"),
}
# Only these say something that the words above do not: a reason, a line, an amount.
WITH_DETAIL = frozenset(
    {
        "lines_changed",
        "cancelled",
        "closed",
        "marked_for_removal",
        "payment_posted",
        "payment_cancelled",
        "refund_posted",
    }
)
SERVICE = {
    "orders": N_("The order itself"),
    "inventory": N_("The warehouse"),
    "billing": N_("Billing"),
    "shipping": N_("Shipping"),
    "store": N_("The store"),
}
# What a page says after a form was done; the address carries only the code.
SAID = {
    "taken": N_("Order taken."),
    "agreed": N_("The order is agreed."),
    "cancelled": N_("The order is cancelled and its goods are released."),
    "closed": N_("The order is closed."),
    "marked": N_("The order is marked for removal."),
    "restored": N_("The order is back."),
    "paid": N_("The payment is posted."),
    "payment_cancelled": N_("The payment is cancelled."),
    "refunded": N_("The refund is posted."),
    "issued": N_("The document is issued."),
    "handed_over": N_("The goods are handed over."),
    "refused": N_("The hand-over was refused: the goods are not there."),
    "posting": N_("The hand-over is being posted; this page follows it."),
    "printed": N_("The paper is on its way to the printer."),
    "changed": N_("The change is saved."),
    "extended": N_("The hold is extended."),
    "put_back": N_("The goods are put back."),
    "customer": N_("The customer is saved."),
    "saved": N_("The settings are saved."),
    "replayed": N_("The record is tried again."),
}
