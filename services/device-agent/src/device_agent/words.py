"""The words on a deposit receipt, in the languages that a customer may have."""

from dataclasses import dataclass

LANGUAGE_DEFAULT = "en"


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    customers_part: str
    goods_part: str
    copy: str
    order: str
    date: str
    customer: str
    total: str
    paid_now: str
    paid: str
    left: str
    hold_until: str
    keep: str
    units: dict[str, str]


WORDS: dict[str, Words] = {
    "en": Words(
        title="Deposit receipt",
        customers_part="Customer's part",
        goods_part="Goes with the goods",
        copy="COPY",
        order="Order",
        date="Date",
        customer="Customer",
        total="Total",
        paid_now="Paid now",
        paid="Paid in all",
        left="Left to pay",
        hold_until="Held until",
        keep="Please bring this part when you collect your goods.",
        units={"piece": "pc", "kg": "kg", "m": "m"},
    ),
    "ru": Words(
        title="Квитанция о предоплате",
        customers_part="Часть для покупателя",
        goods_part="Остаётся с товаром",
        copy="КОПИЯ",
        order="Заказ",
        date="Дата",
        customer="Покупатель",
        total="Итого",
        paid_now="Оплачено сейчас",
        paid="Оплачено всего",
        left="Осталось оплатить",
        hold_until="Отложено до",
        keep="Возьмите эту часть с собой, когда придёте за товаром.",
        units={"piece": "шт", "kg": "кг", "m": "м"},
    ),
    "bg": Words(
        title="Разписка за капаро",
        customers_part="Част за клиента",
        goods_part="Остава със стоката",
        copy="КОПИЕ",
        order="Поръчка",
        date="Дата",
        customer="Клиент",
        total="Общо",
        paid_now="Платено сега",
        paid="Платено общо",
        left="Остава за плащане",
        hold_until="Запазено до",
        keep="Носете тази част, когато дойдете за стоката.",
        units={"piece": "бр", "kg": "кг", "m": "м"},
    ),
    "fi": Words(
        title="Ennakkomaksukuitti",
        customers_part="Asiakkaan osa",
        goods_part="Kulkee tavaran mukana",
        copy="KOPIO",
        order="Tilaus",
        date="Päiväys",
        customer="Asiakas",
        total="Yhteensä",
        paid_now="Maksettu nyt",
        paid="Maksettu kaikkiaan",
        left="Maksamatta",
        hold_until="Varattu asti",
        keep="Ota tämä osa mukaan, kun noudat tavarat.",
        units={"piece": "kpl", "kg": "kg", "m": "m"},
    ),
    "kk": Words(
        title="Алдын ала төлем түбіртегі",
        customers_part="Сатып алушының бөлігі",
        goods_part="Тауармен бірге жүреді",
        copy="КӨШІРМЕ",
        order="Тапсырыс",
        date="Күні",
        customer="Сатып алушы",
        total="Барлығы",
        paid_now="Қазір төленді",
        paid="Барлығы төленді",
        left="Төлеуге қалды",
        hold_until="Сақтау мерзімі",
        keep="Тауарды алуға келгенде осы бөлікті ала келіңіз.",
        units={"piece": "дана", "kg": "кг", "m": "м"},
    ),
}


def words_for(language: str) -> tuple[str, Words]:
    """The words of this language, or English ones where Holdfast does not speak it."""
    known = language.split("-")[0].lower()
    if known not in WORDS:
        known = LANGUAGE_DEFAULT
    return known, WORDS[known]
