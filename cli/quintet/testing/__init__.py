"""What tests of pipelines stand on: real servers, a pytest plugin, and `quintet test`."""

RUN_FOLDER = "QUINTET_TESTS_FOLDER"
"""The variable that names the folder of a run, which its workers share."""
POSTGRES = "QUINTET_TEST_POSTGRES_BIN"
"""The variable that names a folder with `postgres` and `initdb` of another version than the wheel's."""
