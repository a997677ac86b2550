"""The bytes of invoices and payments nobody has edited: templates, filled in from the plan."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.books.bookkeeper import Desk
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.header import MODIFIER_TEXT
from ledgerguard_pipeline.sandbox.books.json_text import dump
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time
from ledgerguard_pipeline.sandbox.seed.sales_plan import BLOCK, FIRST_ID, SLOTS, VOIDED, SalesPlan

_MEMOS = ("Thank you for your business!", "Merci, à bientôt 🌷", "شكرا لكم", "Don't be late")


class SalesText:
    """Renders at tens of thousands of rows a second, the same bytes at every call."""

    def __init__(self, desk: Desk, plan: SalesPlan) -> None:
        self._plan = plan
        self._customers = [
            dump(
                {
                    "CustomerRef": buyer,
                    "CustomerMemo": {"value": _MEMOS[index % len(_MEMOS)]},
                }
            ).decode()[1:-1]
            for index, buyer in enumerate(plan.buyers)
        ]
        self._payers = [dump(dict(buyer)).decode() for buyer in plan.buyers]
        banks = (desk.accounts["checking"], desk.accounts["undeposited"])
        self._banks = [dump(dict(each)).decode() for each in banks]
        self._methods = [dump(dict(each)).decode() for each in desk.methods[:4]]
        self.deposits: dict[int, str] = {}
        """Payment number to the deposit that took it to the bank."""

    def render_invoice(self, row: Row) -> bytes:
        """The invoice of a row that nobody has edited."""
        plan = self._plan
        block, slot = divmod(int(row.id) - FIRST_ID, SLOTS)
        index, last, tax = plan.amounts(block, slot)
        pattern = plan.patterns[index]
        payment = block + plan.lag
        linked = note = ""
        if plan.is_void(block, slot):
            lines, subtotal, total, balance = pattern.voided, "0", "0", "0"
            taxed, note = '"TotalTax":0', '"PrivateNote":"Voided",'
        else:
            sub = pattern.cents + last
            open_cents = whole = sub + tax
            if payment < plan.payments:
                paid = plan.paid(payment, slot, whole)
                if paid:
                    open_cents -= paid
                    linked = (
                        f'{{"TxnId":"{FIRST_ID + payment * SLOTS + BLOCK}","TxnType":"Payment"}}'
                    )
            price = f"{last // 100}.{last % 100:02d}"
            lines = f"{pattern.before}{price}{pattern.between}{price}{pattern.after}"
            subtotal = f"{sub // 100}.{sub % 100:02d}"
            total = f"{whole // 100}.{whole % 100:02d}"
            balance = f"{open_cents // 100}.{open_cents % 100:02d}" if open_cents else "0"
            taxed = '"TotalTax":0'
            if tax:
                cents = f"{tax // 100}.{tax % 100:02d}"
                taxed = f'"TxnTaxCodeRef":{{"value":"2"}},"TotalTax":{cents}'
        customer = self._customers[plan.buyer_of(block)]
        return (
            f'{{"domain":"QBO","sparse":false,"Id":"{row.id}","SyncToken":"{row.sync_token}",'
            f'"MetaData":{{"CreateTime":"{write_time(row.created)}",{MODIFIER_TEXT}'
            f'"LastUpdatedTime":"{write_time(row.updated)}"}},'
            f'"DocNumber":"{row.id}","TxnDate":"{day_text(row.created)}",'
            '"CurrencyRef":{"value":"USD"},'
            f'{note}"LinkedTxn":[{linked}],"Line":[{lines},{{"Amount":{subtotal},'
            '"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{}}],'
            f'"TxnTaxDetail":{{{taxed}}},{customer},"SalesTermRef":{{"value":"3"}},'
            f'"DueDate":"{day_text(row.created, 30)}","TotalAmt":{total},'
            '"ApplyTaxAfterDiscount":false,'
            f'"Balance":{balance}}}'
        ).encode()

    def render_payment(self, row: Row) -> bytes:
        """The payment of a row that nobody has edited."""
        plan = self._plan
        payment = (int(row.id) - FIRST_ID) // SLOTS
        block = payment - plan.lag if payment >= plan.lag else payment
        void = plan.habit(payment) == VOIDED
        covered = plan.covered(payment)
        unapplied = 0 if void else plan.unapplied(payment)
        total = sum(paid for _, _, paid in covered) + unapplied
        lines = ",".join(
            [
                f'{{"Amount":{paid // 100}.{paid % 100:02d},"LinkedTxn":[{{"TxnId":'
                f'"{FIRST_ID + block * SLOTS + slot}","TxnType":"Invoice"}}]'
                f"{_line_ex(whole) if unapplied else ''}}}"
                for slot, whole, paid in covered
            ]
        )
        note = '"PrivateNote":"Voided",' if void else ""
        deposit = self.deposits.get(payment)
        linked = f'{{"TxnId":"{deposit}","TxnType":"Deposit"}}' if deposit else ""
        customer = self._payers[plan.buyer_of(block)]
        return (
            f'{{"CustomerRef":{customer},"DepositToAccountRef":{self._banks[payment & 1]},'
            f'"PaymentMethodRef":{self._methods[payment % 4]},"PaymentRefNum":"{row.id}",'
            f'"UnappliedAmt":{unapplied // 100}.{unapplied % 100:02d},'
            f'"TotalAmt":{f"{total // 100}.{total % 100:02d}" if total else "0"},'
            f'"ProcessPayment":false,"domain":"QBO","sparse":false,"Id":"{row.id}",'
            f'"SyncToken":"{row.sync_token}",'
            f'"MetaData":{{"CreateTime":"{write_time(row.created)}",'
            f'"LastUpdatedTime":"{write_time(row.updated)}"}},'
            f'"TxnDate":"{day_text(row.created)}",'
            '"CurrencyRef":{"value":"USD","name":"United States Dollar"},'
            f'{note}"Line":[{lines}],"LinkedTxn":[{linked}]}}'
        ).encode()


def _line_ex(cents: int) -> str:
    """The open balance before the payment, in the wrapper Intuit's server leaks."""
    return (
        ',"LineEx":{"any":[{"name":"{http://schema.intuit.com/finance/v3}NameValue",'
        '"declaredType":"com.intuit.schema.finance.v3.NameValue",'
        '"scope":"javax.xml.bind.JAXBElement$GlobalScope","value":{"Name":"txnOpenBalance",'
        f'"Value":"{cents // 100}.{cents % 100:02d}"}},"nil":false,"globalScope":true,'
        '"typeSubstituted":false}]}'
    )
