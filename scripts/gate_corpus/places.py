"""Towns, counties, invented streets and invented hospitals. Each belongs to one half."""

from __future__ import annotations

from functools import cache

# fmt: off
LISTS: dict[str, dict[str, str]] = {
    "town": {
        "": "Springfield, Madison, Dayton, Tacoma, Boise, Toledo, Fresno, Knoxville, Rochester, Duluth, Akron, Spokane, "
            "Omaha, Wichita, Lubbock, Scranton, Leeds, Swindon, Norwich, Preston, Luton, Exeter, Derby, Ipswich, Dundee, "
            "Swansea, Cork, Halifax, Geelong, Dunedin",
        "de": "Kassel, Bielefeld, Ulm, Rostock, Bamberg, Göttingen, Linz, Chemnitz, Winterthur, Oldenburg",
        "fr": "Dijon, Angers, Limoges, Metz, Rennes, Nîmes, Tours, Besançon",
        "es": "Zaragoza, Murcia, Valladolid, Córdoba, Vigo, Oviedo, Albacete, Pamplona",
        "it": "Bologna, Bari, Modena, Perugia, Trieste, Brescia",
        "pt": "Braga, Coimbra, Campinas, Curitiba, Aveiro, Recife",
        "in": "Nagpur, Indore, Coimbatore, Lucknow, Bhopal, Vadodara",
        "han": "杭州市, 成都市, 青岛市, 沈阳市, 长沙市, 昆明市",
        "cyr": "Самара, Казань, Омск, Пермь, Тула, Рязань",
        "script": "جدة, الإسكندرية, حلب, البصرة, طنطا, الدمام",
    },
    "county": {
        "": "Lancaster County, Harris County, Marion County, Jefferson Parish, Cook County, Orange County, Wayne County, "
            "Kent, Norfolk, Cumbria, Dorset, Shropshire",
    },
    "street": {
        "": "Marlowe, Thornbury, Elmhurst, Pinecrest, Willowbank, Hawthorn, Ashdown, Larkspur, Bramble, Stonegate, Foxglove, "
            "Millbrook, Cedarwood, Rosebery, Kingsmead, Birchfield",
        "de": "Lindenweg, Gartenstraße, Ahornallee, Mühlgasse, Rosenstraße, Bachweg, Kirchplatz, Amselweg",
        "fr": "rue des Tilleuls, avenue des Acacias, rue du Moulin, impasse des Lilas, rue de la Fontaine, allée des Cèdres",
        "es": "calle de los Olivos, avenida del Sol, calle Nueva, paseo de los Almendros, calle del Pozo, plaza Mayor",
        "it": "via dei Mille, via delle Rose, viale dei Pini, via del Mulino, corso Vecchio, via dei Gelsomini",
        "pt": "rua das Flores, avenida dos Jacarandás, rua do Poço, travessa da Fonte, rua das Oliveiras, rua Direita",
    },
    "hospital": {
        "": "St. Aldric's Hospital, Maplewood General Hospital, Riverbend Medical Center, Northmoor Infirmary, Holy Trinity "
            "Clinic, Lakeview Memorial Hospital, Westbrook University Hospital, Summit Ridge Health Center, Queen Edith "
            "Hospital, Cedar Valley Regional Medical Center, Fairhaven Children's Hospital, Oakridge Cancer Institute, "
            "Saint Brannoc's Hospital, Eastgate Royal Infirmary, Pine Hollow Surgical Center, Grantham Bay Clinic",
        "de": "Klinikum Nordwald, Marienstift Altenau, Universitätsklinik Rheinfels, Krankenhaus Sankt Wendelin, "
              "Klinik am Birkensee, Elisabethenkrankenhaus Neustein",
        "fr": "Hôpital Sainte-Aldegonde, Clinique du Val Fleuri, CHU de Montreval, Centre hospitalier des Deux Rives",
        "es": "Hospital Virgen del Olmo, Clínica Santa Aurelia, Hospital General de Montealto, Sanatorio Los Cipreses",
        "han": "东湖人民医院, 明德中心医院, 青山第三医院, 华康肿瘤医院",
    },
}
# fmt: on


@cache
def some(name: str, origin: str, half: str) -> tuple[str, ...]:
    """The places of a list that a half has."""
    return tuple(LISTS[name][origin].split(", ")[half == "held" :: 2])
