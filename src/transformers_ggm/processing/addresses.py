"""Addresses in a text: what `#` in them begins is no hashtag."""

# What the last part of a name may be where no `https://` says that it is an address: those of all countries, and those
# of others that are met. A word between dots is not enough: a hashtag in `Mt.Fuji/#hiking` is one.
_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc cd cf
cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg
gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp
kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne
nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk
sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn
vu wf ws ye yt za zm zw рф укр бел срб бг қаз 中国 中國 台湾 台灣 香港 한국 भारत ไทย
"""
_OTHERS = """
com net org edu gov mil int info biz name pro aero coop museum mobi jobs tel asia cat post academy agency app art audio
band bar beauty bike bio blog business buzz cafe camp cars center chat church city click clothing cloud club codes
coffee community company cool dance dating deals design dev digital directory email energy events expert express family
farm fashion fit fitness football foundation fun gallery game games garden global golf gratis green group guide guru
health help house icu ink institute international jewelry kids kitchen land law legal life link live lol love ltd
management market marketing media menu money monster music network news ngo ninja one online page parts party pet photo
photography photos pics pink pizza place plus press radio recipes rent restaurant review reviews rocks run sale salon
school science services shoes shop show site ski social software solutions space store stream studio style support
systems team tech technology theater tickets tips today tools top tours town toys training travel university uno
vacations vet video vip vision vote watch web website wedding wien wiki win wine work works world wtf xyz yoga zone
amsterdam berlin hamburg istanbul koeln london moscow nyc paris tokyo
"""
_LAST = "|".join(sorted([*_COUNTRIES.split(), *_OTHERS.split(), "xn--[a-z0-9-]+"], key=len, reverse=True))
_IN_NAME = r"\p{L}\p{M}\p{Nd}_\-"
# Numbers of times are limited wherever a text could else make the search start over and over.
_NAME = (
    rf"(?:(?<![a-z0-9_#＃@$./-])www\.(?:[{_IN_NAME}]++\.?)++"
    rf"|(?<![{_IN_NAME}#＃@$./])(?:[{_IN_NAME}]++\.){{1,9}}(?:{_LAST})(?![{_IN_NAME}]))(?::\d{{1,5}})?+"
)
# As twitter-text has it, but with the letters of all scripts. Brackets belong to an address in pairs.
_PATH = r"[\p{L}\p{M}\p{Nd}!*';:=+,.$/%#\[\]\-–_~@|&?]"
_REST = rf"[/?](?:{_PATH}++|\({_PATH}*+\))*+"
_WITH_SCHEME = rf"(?<![a-z0-9#＃@$])[a-z][a-z0-9+.-]{{1,30}}+://[^\s/?#\"<>、。，！？]*+(?:{_REST})?+"

# For searches with the package regex: `https://...` and whatever else has a scheme, and names such as `site.com` or
# `www.site.example` that a path or a query follows; without one, no hashtag can be in them. Ports count.
ADDRESS = rf"(?i:{_WITH_SCHEME}|{_NAME}{_REST})"
