"""What reports call things, in English and in French; keys and ids are the same in both."""

from __future__ import annotations

_FRENCH = {
    "Date": "Date",
    "Transaction Type": "Type d'opération",
    "Num": "N°",
    "Name": "Nom",
    "Memo/Description": "Note/Description",
    "Account": "Compte",
    "Debit": "Débit",
    "Credit": "Crédit",
    "Posting": "Report",
    "Split": "Ventilation",
    "Amount": "Montant",
    "Balance": "Solde",
    "TOTAL": "TOTAL",
    "Total": "Total",
    "Current": "Courant",
    "91 and over": "91 et plus",
    "Beginning Balance": "Solde d'ouverture",
    "Yes": "Oui",
    "No": "Non",
    "-Split-": "-Ventilé-",
    "Invoice": "Facture",
    "Payment": "Paiement",
    "Credit Memo": "Note de crédit",
    "Sales Receipt": "Reçu de vente",
    "Refund": "Remboursement",
    "Bill": "Facture à payer",
    "Bill Payment (Check)": "Paiement de facture (chèque)",
    "Bill Payment (Credit Card)": "Paiement de facture (carte de crédit)",
    "Vendor Credit": "Crédit fournisseur",
    "Expense": "Dépense",
    "Check": "Chèque",
    "Credit Card Expense": "Dépense par carte de crédit",
    "Credit Card Credit": "Crédit de carte de crédit",
    "Deposit": "Dépôt",
    "Transfer": "Virement",
    "Journal Entry": "Écriture de journal",
    "Credit Card Payment": "Paiement de carte de crédit",
    "Inventory Qty Adjust": "Ajustement de quantité",
    "Inventory Starting Value": "Valeur de départ de stock",
    "Payroll Check": "Chèque de paie",
    "Sales Tax Payment": "Paiement de taxe de vente",
    "Estimate": "Devis",
    "Purchase Order": "Bon de commande",
    "Time Activity": "Activité",
    "Net Income": "Bénéfice net",
    "Income": "Revenus",
    "Expenses": "Dépenses",
    "ASSETS": "ACTIFS",
    "Equity": "Capitaux propres",
    "Not Specified": "Non précisé",
}


class Words:
    """A language; what it has no word for stays English."""

    def __init__(self, language: str) -> None:
        self._known = _FRENCH if language == "fr" else {}
        self._for = "pour " if language == "fr" else "for "

    def __call__(self, text: str) -> str:
        return self._known.get(text, text)

    def total(self, name: str, *, of: bool = False) -> str:
        """``Total Expenses``, or ``Total for Checking`` with ``of``."""
        return f"{self('Total')} {self._for if of else ''}{name}"
