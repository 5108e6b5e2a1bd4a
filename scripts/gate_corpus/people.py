"""Common first and last names of many origins. Each belongs to one half; people are combined from them at random."""

from __future__ import annotations

from functools import cache

PARTS = ("first", "man", "woman", "last", "middle")
MIXED = ("en",) * 8 + (
    "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "in", "in", "ar", "ar", "zh", "zh", "ru", "ja", "ko", "vi", "ng",
)  # fmt: skip
"""Origins of a person of whom a template says nothing."""
# fmt: off
_NAMES: dict[str, tuple[str, str, str]] = {
    "en": (
        "James John Robert Michael William David Richard Thomas Charles Daniel Matthew Anthony Steven Andrew Kevin Brian "
        "George Edward Ronald Timothy Gary Nicholas Eric Stephen Jonathan Larry Scott Brandon Gregory Frank Patrick "
        "Raymond Dennis Jerry Tyler Aaron Nathan Douglas Walter Harold",
        "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Lisa Betty Margaret Sandra Ashley "
        "Kimberly Emily Donna Michelle Carol Amanda Dorothy Melissa Deborah Stephanie Rebecca Sharon Laura Cynthia Kathleen "
        "Amy Angela Shirley Brenda Pamela Nicole Ruth Joyce Gloria",
        "Smith Johnson Williams Brown Davis Miller Moore Taylor Anderson Jackson Harris Martin Thompson Robinson Clark "
        "Lewis Walker Allen Wright King Scott Green Adams Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker "
        "Evans Edwards Collins Stewart Morris Rogers Reed Morgan Murphy Bailey Cooper Richardson Cox Howard Peterson Gray "
        "Watson Brooks Sanders Bennett Hughes Foster Butler Simmons Henderson Coleman Jenkins Patterson Hayes Ellis Fisher "
        "Harrison Gibson Palmer Stone Knight Dixon Hunt Lawson Chapman Harper Fletcher Pearson",
    ),
    "de": (
        "Jonas Lukas Stefan Jürgen Klaus Wolfgang Dieter Uwe Matthias Thorsten Heinz Günter Rainer Bernd",
        "Sabine Ursula Monika Petra Renate Ingrid Heike Anke Katrin Gisela Birgit Anneliese Helga Silke",
        "Müller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Schäfer Bauer Krüger Zimmermann Hartmann Lange "
        "Krause Lehmann Köhler Kaiser Vogel Jung Keller Günther Winkler Baumann",
    ),
    "fr": (
        "Pierre Jean Michel Philippe Alain Thierry Laurent Olivier Guillaume Étienne Benoît Yves",
        "Nathalie Isabelle Sylvie Catherine Françoise Valérie Céline Aurélie Chantal Brigitte Hélène Odile",
        "Dubois Durand Moreau Lefebvre Leroy Roux Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Chevalier "
        "Mercier Blanchard Gauthier Perrin Lemaire Renaud",
    ),
    "es": (
        "José Antonio Manuel Francisco Javier Alejandro Rafael Sergio Fernando Ramón Andrés Joaquín",
        "Carmen Dolores Pilar Isabel Mercedes Rosario Lucía Elena Beatriz Concepción Inés Montserrat",
        "García González Rodríguez Fernández López Martínez Sánchez Pérez Gómez Jiménez Ruiz Hernández Muñoz Romero "
        "Navarro Torres Domínguez Ortega Castillo Iglesias Vázquez Delgado",
    ),
    "it": (
        "Giuseppe Marco Luca Giovanni Alessandro Francesco Lorenzo Matteo Salvatore Vincenzo",
        "Giulia Chiara Francesca Paola Lucia Rosa Giovanna Silvia Federica Antonella",
        "Rossi Russo Ferrari Esposito Bianchi Colombo Ricci Marino Greco Bruno Gallo Conti Mancini Costa Giordano Rizzo "
        "Lombardi Moretti",
    ),
    "pt": (
        "João Paulo Carlos Pedro Rui Tiago Luís Gonçalo Marcelo Rodrigo",
        "Ana Mariana Beatriz Fernanda Juliana Adriana Inês Teresa Luciana Catarina",
        "Silva Santos Oliveira Souza Lima Pereira Ferreira Alves Ribeiro Carvalho Gomes Almeida Lopes Soares Vieira "
        "Barbosa Rocha Dias",
    ),
    "nl": (
        "Willem Pieter Jeroen Sander Maarten Bart Joost Ruud",
        "Anneke Marijke Saskia Femke Wilma Lotte Ineke Hanneke",
        "Jansen Bakker Visser Smit Mulder Bos Peters Hendriks Dekker Dijkstra Kok Veenstra",
    ),
    "pl": (
        "Krzysztof Andrzej Piotr Tomasz Marek Zbigniew Wojciech Grzegorz",
        "Agnieszka Małgorzata Katarzyna Ewa Joanna Halina Zofia Grażyna",
        "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Dąbrowski Mazur Krawczyk",
    ),
    "tr": (
        "Mehmet Mustafa Ahmet Emre Hakan Murat Osman Serkan",
        "Ayşe Fatma Emine Zeynep Elif Hatice Merve Selin",
        "Yılmaz Kaya Demir Çelik Şahin Yıldız Öztürk Aydın Özdemir Arslan Doğan Koç",
    ),
    "in": (
        "Rajesh Sanjay Anil Vijay Suresh Arjun Rohit Manoj Karthik Deepak Vikram Harish Naveen Ashok",
        "Priya Anjali Sunita Lakshmi Kavita Meena Neha Pooja Divya Shalini Asha Rekha Nandini Geeta",
        "Sharma Verma Gupta Patel Singh Kumar Reddy Iyer Nair Rao Mehta Joshi Desai Chatterjee Banerjee Mukherjee Pillai "
        "Menon Kulkarni Agarwal Chopra Malhotra Bhat Naidu",
    ),
    "ar": (
        "Ahmed Mohammed Omar Khalid Yusuf Hassan Ibrahim Tariq Faisal Mahmoud Samir Walid",
        "Fatima Aisha Layla Maryam Noor Zainab Hanan Salma Amina Khadija Rania Huda",
        "Haddad Mansour Khalil Nasser Farouk Hamdan Saleh Qureshi Rahman Darwish Shaheen Bakri Najjar Sabbagh Aziz Habib "
        "Zaki Taha",
    ),
    "zh": (
        "Wei Jun Ming Jie Haoran Zhiyuan Guoqiang Jianhua Yichen Bowen",
        "Fang Xiuying Na Min Xiaoling Yuhan Meiling Lihua Jingyi Ruoxi",
        "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Zhu Guo Lin Zheng Liang Deng",
    ),
    "ru": (
        "Sergei Dmitri Alexei Vladimir Andrei Mikhail Nikolai Igor Yuri Viktor",
        "Olga Svetlana Natalia Irina Tatiana Ekaterina Galina Lyudmila Yulia Nadezhda",
        "Ivanov Smirnov Kuznetsov Popov Vasiliev Petrov Sokolov Mikhailov Novikov Fedorov Morozov Volkov Alekseev Lebedev "
        "Semyonov Pavlov",
    ),
    "ja": (
        "Hiroshi Takashi Kenji Satoshi Daisuke Haruto Kazuki Makoto",
        "Yuki Sakura Keiko Yoko Naomi Ayumi Haruka Michiko",
        "Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto",
    ),
    "ko": (
        "Minjun Jihoon Seojun Donghyun Sungmin Hyunwoo Taeyang Jaewon",
        "Jiwoo Seoyeon Minji Soojin Hyejin Eunji Yuna Sumin",
        "Kim Park Choi Jeong Kang Cho Yoon Jang Lim Han Shin Kwon Hwang Seo",
    ),
    "vi": (
        "Hùng Dũng Tuấn Phong Quang Khánh",
        "Hương Lan Thảo Ngọc Trang Linh",
        "Nguyễn Trần Phạm Vũ Đặng Bùi Hồ Ngô",
    ),
    "ng": (
        "Chinedu Emeka Kwame Tunde Kofi Oluwaseun Sipho Tendai",
        "Ngozi Chiamaka Abena Funmilayo Adaeze Thandiwe Zanele Akosua",
        "Okafor Adeyemi Mensah Eze Nwosu Balogun Boateng Dlamini Nkosi Owusu Okonkwo Moyo",
    ),
    "han": ("伟 强 建国 志明 浩然 文杰 立新 海涛", "芳 秀英 丽娜 晓燕 雨婷 淑华 梦洁 玉兰", "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭"),
    "script": (
        "محمد أحمد خالد يوسف عمر حسن سعيد طارق", "فاطمة عائشة مريم ليلى نورة زينب هدى سلمى",
        "الحربي المنصوري العتيبي الشمري الخطيب النجار السالم البكري الزهراني الأنصاري",
    ),
    "cyr": (
        "Сергей Дмитрий Алексей Владимир Андрей Михаил Николай Игорь",
        "Ольга Светлана Наталья Ирина Татьяна Екатерина Галина Людмила",
        "Шевченко Бондаренко Ткаченко Коваленко Кравченко Олейник Савченко Руденко Марченко Лысенко Мельник Гончар",
    ),
    "jp": ("健太 浩二 大輔 直樹 翔太 和也", "美咲 陽子 恵子 由美 真由美 愛子", "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤 吉田 山田"),
    "hangul": ("민준 지훈 서준 동현 성민 현우", "지우 서연 민지 수진 혜진 은지", "김 이 박 최 정 강 조 윤 장 임 한 신"),
    "nagari": (
        "राजेश संजय अनिल विजय सुरेश रोहित", "प्रिया सुनीता अंजलि कविता मीना पूजा",
        "शर्मा वर्मा गुप्ता पटेल सिंह यादव मिश्रा जोशी चौहान तिवारी",
    ),
}
# fmt: on


@cache
def _half_of() -> dict[str, str]:
    """Which half has a name: by turns in each list, at its first occurrence."""
    halves: dict[str, str] = {}
    for lists in _NAMES.values():
        for names in lists:
            for i, name in enumerate(n for n in names.split() if n not in halves):
                halves[name] = ("open", "held")[i % 2]
    return halves


@cache
def some(part: str, origin: str, half: str) -> tuple[str, ...]:
    """First or last names of an origin that a half has."""
    men, women, last = (names.split() for names in _NAMES[origin])
    names = {"man": men, "woman": women, "last": last}.get(part, men + women)
    return tuple(name for name in names if _half_of()[name] == half)
