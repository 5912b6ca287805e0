"""Settings for `make lab`: JupyterLab asks no other host for news, updates or extensions."""

from pathlib import Path

c = get_config()  # noqa: F821, from JupyterLab, which reads this file
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.app_settings_dir = str(Path(__file__).parent)  # overrides.json is read from there
