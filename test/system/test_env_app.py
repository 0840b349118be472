"""The sensors' app of packaging/examples, through nginx: readings come in as JSON and go out as numbers and charts."""

import json
import re
import threading
import time
import xml.etree.ElementTree as ElementTree
from urllib.parse import quote, urlencode

import pytest

from examples import Examples
from front_servers import NGINX

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

HOUR, DAY = 3600, 86400
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def site(module_cowherd):
    """With the diary loaded behind it into the same interpreter."""
    with Examples(module_cowherd, "env", "diary") as examples:
        yield examples


@pytest.fixture
def reader(site):
    return site.visitor("env")


@pytest.fixture
def sensor(site):
    key = (site.root("env") / "data/api-key").read_text().strip()
    return site.visitor("env", Authorization="Bearer " + key)


@pytest.fixture(scope="module")
def noon():
    """Of the day before yesterday, UTC."""
    return int(time.time()) // DAY * DAY - 2 * DAY + DAY // 2


def send(visitor, readings, key=None):
    body = readings if isinstance(readings, (bytes, str)) else json.dumps(readings, ensure_ascii=False)
    headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}
    return visitor.request("/api/readings", "POST", body.encode() if isinstance(body, str) else body, headers)


def reading(sensor, at=None, **values):
    return {"sensor": sensor, "values": values, **({"time": at} if at is not None else {})}


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def ask(visitor, what, **query):
    answer = visitor.get("/api/%s?%s" % (what, urlencode(query)))
    return json.loads(answer.text) if answer.status == 200 else answer.status


def test_readings_go_in_with_the_key_alone(site, reader, sensor):
    given = reading("庭", temperature=21.5)
    for key in (None, "Bearer", "Bearer x", "Basic " + "x" * 32, "Bearer " + "あ", sensor.headers["Authorization"][:-1]):
        answer = send(reader, given, key and key.encode("utf-8").decode("latin-1"))
        assert answer.status == 401 and answer.getheader("WWW-Authenticate") == "Bearer"
    assert site.sql("env", "SELECT * FROM series WHERE sensor = '庭'") == []
    answer = send(sensor, given)
    assert (answer.status, json.loads(answer.text)) == (201, {"stored": 1})
    assert (site.root("env") / "data/api-key").stat().st_mode & 0o777 == 0o600


def test_ranges_come_newest_first(reader, sensor, noon):
    hours = [reading("地下室", iso(noon + hour * HOUR), temperature=10 + hour, humidity=50) for hour in range(6)]
    assert json.loads(send(sensor, hours).text) == {"stored": 12}
    series = {"sensor": "地下室", "quantity": "temperature"}
    found = ask(reader, "readings", **series)["readings"]
    assert found == [{"time": iso(noon + hour * HOUR), "value": 10.0 + hour} for hour in range(5, -1, -1)]
    some = ask(reader, "readings", **series, **{"from": iso(noon + HOUR), "to": noon + 3 * HOUR})["readings"]
    assert [row["value"] for row in some] == [12.0, 11.0]
    assert [row["value"] for row in ask(reader, "readings", **series, limit=1)["readings"]] == [15.0]
    again = send(sensor, reading("地下室", noon, temperature=-3.25))
    assert again.status == 201
    assert ask(reader, "readings", **series)["readings"][-1]["value"] == -3.25  # sent again: replaced
    sensors = ask(reader, "sensors")["sensors"]
    assert {
        "sensor": "地下室",
        "quantity": "temperature",
        "unit": "°C",
        "time": iso(noon + 5 * HOUR),
        "value": 15.0,
    } in sensors


def test_summaries_by_hour_and_day(reader, sensor, noon):
    send(sensor, [reading("屋根", noon + minute * 60, temperature=minute) for minute in (0, 10, 50, 60, 90)])
    series = {"sensor": "屋根", "quantity": "temperature"}
    assert ask(reader, "summary", **series)["summary"] == [
        {"time": iso(noon), "count": 3, "min": 0.0, "mean": 20.0, "max": 50.0},
        {"time": iso(noon + HOUR), "count": 2, "min": 60.0, "mean": 75.0, "max": 90.0},
    ]
    (day,) = ask(reader, "summary", **series, every="day")["summary"]
    assert (day["time"], day["count"], day["mean"]) == (iso(noon - DAY // 2), 5, 42.0)
    assert ask(reader, "summary", **series, every="fortnight") == 400


@pytest.mark.parametrize(
    "body, why",
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        (b'{"sensor": "\xff"}', "no JSON"),
        ("[]", "1 to 1000 readings"),
        ("5", "a reading is an object"),
        ("[5]", "a reading is an object"),
        ("[" * 200, "no JSON"),
        ('{"values": {"temperature": 1}}', "sensor is named"),
        ('{"sensor": "x/y", "values": {"temperature": 1}}', "sensor is named"),
        ('{"sensor": "%s", "values": {"temperature": 1}}' % ("長" * 61), "sensor is named"),
        ('{"sensor": "庭", "values": {}}', '"values" is an object'),
        ('{"sensor": "庭", "values": {"temperature": "1"}}', "no number"),
        ('{"sensor": "庭", "values": {"temperature": 1e300}}', "no number"),
        ('{"sensor": "庭", "values": {"<b>": 1}}', "a quantity is named"),
        ('{"sensor": "庭", "time": "soon", "values": {"temperature": 1}}', "no time"),
        ('{"sensor": "庭", "time": [], "values": {"temperature": 1}}', "no time"),
        ('{"sensor": "庭", "time": "2999-01-01T00:00:00Z", "values": {"temperature": 1}}', "in the future"),
        ('{"sensor": "庭", "time": 1000, "values": {"temperature": 1}}', "older than what is kept"),
    ],
)
def test_what_is_no_reading_is_refused_with_a_reason(site, sensor, body, why):
    before = site.sql("env", "SELECT count(*) FROM readings")
    answer = send(sensor, body)
    assert answer.status == 400
    assert why in json.loads(answer.text)["error"]
    assert site.sql("env", "SELECT count(*) FROM readings") == before


def test_one_wrong_reading_keeps_all_of_a_post_out(site, sensor):
    assert send(sensor, [reading("半分", temperature=1), reading("半分", temperature="x")]).status == 400
    assert send(sensor, [reading("多い%d" % number, temperature=1) for number in range(201)]).status == 400
    assert site.sql("env", "SELECT * FROM series WHERE sensor = '半分' OR sensor LIKE '多い%'") == []
    assert send(sensor, b" " * (256 * 1024 + 1)).status == 413


def test_charts_are_drawn_by_the_server(reader, sensor, noon):
    send(sensor, [reading("庭", noon - number * HOUR, temperature=number % 7, 湿度=40) for number in range(20)])
    assert ElementTree.fromstring(reader.get("/charts/庭/湿度.svg").content).find(SVG + "title").text == "庭, 湿度"
    picture = reader.get("/charts/庭/temperature.svg?to=%d" % noon)
    assert picture.getheader("Content-Type") == "image/svg+xml"
    drawn = ElementTree.fromstring(picture.content)
    assert drawn.find(SVG + "title").text == "庭, temperature"
    points = re.findall(r"[ML]([\d.]+),([\d.]+)", drawn.find(SVG + "path").get("d"))
    assert len(points) == 20
    assert all(0 <= float(x) <= 640 and 0 <= float(y) <= 200 for x, y in points)
    assert [float(x) for x, _ in points] == sorted(float(x) for x, _ in points)
    again = reader.get("/charts/庭/temperature.svg?to=%d" % noon, If_None_Match=picture.getheader("ETag"))
    assert (again.status, again.content) == (304, b"")
    assert ElementTree.fromstring(reader.get("/charts/庭/temperature.svg?to=%d" % (noon - 9 * DAY)).content)
    assert reader.get("/charts/nowhere/temperature.svg").status == 404
    front = reader.get("/?span=week")
    assert "庭: temperature" in front.text and "garden: humidity" in front.text
    assert "/charts/%E5%BA%AD/temperature.svg?span=week" in front.text


INJECTIONS = ["' OR '1'='1", '"; DROP TABLE readings; --', "x') UNION SELECT 1, 2 --", "1; DELETE FROM readings"]


def test_sql_in_every_place_is_nothing_but_text(site, reader, sensor):
    before = site.sql("env", "SELECT count(*) FROM readings")
    for text in INJECTIONS:
        assert ask(reader, "readings", sensor=text, quantity="temperature") == 404
        assert ask(reader, "readings", sensor="garden", quantity=text) == 404
        for name in ("from", "to"):
            assert ask(reader, "readings", sensor="garden", quantity="humidity", **{name: text}) == 400
        assert len(ask(reader, "readings", sensor="garden", quantity="humidity", limit=text)["readings"]) == 48
        assert ask(reader, "summary", sensor="garden", quantity="humidity", every=text) == 400
        assert send(sensor, reading(text, temperature=1)).status == 400
        assert reader.get("/charts/%s/x.svg" % quote(text, safe="")).status == 404
    assert site.sql("env", "SELECT count(*) FROM readings") == before


def test_four_workers_write_at_once_and_no_reading_is_lost(site, sensor, noon):
    refused = []

    def post(thread):
        for number in range(10):
            answer = send(sensor, [reading("並列", noon + thread * 100 + number * 10 + i, co2=i) for i in range(5)])
            if answer.status != 201:
                refused.append(answer.text)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == []
    count = "SELECT count(*), count(DISTINCT time) FROM readings JOIN series ON series = id WHERE sensor = '並列'"
    assert site.sql("env", count) == [(400, 400)]
    assert all(site.requests_of_workers())


def test_what_is_old_is_forgotten_and_the_rest_outlives_a_restart(site, reader, sensor):
    send(sensor, reading("残る", temperature=1))
    ((series,),) = site.sql("env", "SELECT id FROM series WHERE sensor = '残る'")
    site.sql("env", "INSERT INTO readings VALUES (?, ?, 2.0)", series, int(time.time()) - 401 * DAY)
    site.restart()
    found = ask(reader, "readings", sensor="残る", quantity="temperature")["readings"]
    assert [row["value"] for row in found] == [1.0]
    assert send(sensor, reading("残る", temperature=3)).status == 201  # the key is the same
