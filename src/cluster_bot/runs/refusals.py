"""Why a submission is refused, and the sentence its member reads.

Called by `spec` and by whoever checks a submission before it is one. The sentences stand together here so that they
can be read, and tested, as one text. Each says what to do next.
"""

from enum import StrEnum

from cluster_bot.errors import UserError


class Refusal(StrEnum):
    """The reasons; the value is what logs and metrics show."""

    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    FILES_TOO_LARGE = "files_too_large"
    NOT_TEXT = "not_text"
    BAD_NAME = "bad_name"
    TOO_MANY_FILES = "too_many_files"
    SAME_NAME = "same_name"
    BAD_ZIP = "bad_zip"
    ZIP_TOO_LARGE = "zip_too_large"
    ZIP_TOO_MANY_FILES = "zip_too_many_files"
    ZIP_LOCKED = "zip_locked"
    ZIP_LINK = "zip_link"
    ZIP_BAD_NAME = "zip_bad_name"
    ZIP_NOT_TEXT = "zip_not_text"
    NO_PROGRAM = "no_program"
    WHICH_PROGRAM = "which_program"
    NO_SUCH_PROGRAM = "no_such_program"
    NO_CODE = "no_code"
    NOTHING_TO_RUN = "nothing_to_run"
    FORM_OF_BEFORE = "form_of_before"
    UNKNOWN_LANGUAGE = "unknown_language"
    TIME_LIMIT = "time_limit"
    BAD_ARGUMENTS = "bad_arguments"
    UNKNOWN_LAUNCHER = "unknown_launcher"
    NO_RUNS_ALLOWED = "no_runs_allowed"
    TOO_MANY_LIVE_RUNS = "too_many_live_runs"
    TOO_MANY_RUNS_AN_HOUR = "too_many_runs_an_hour"
    GPU_TIME_SHORT = "gpu_time_short"
    GPU_TIME_GONE = "gpu_time_gone"
    GPU_NOT_ALLOWED = "gpu_not_allowed"
    NO_GPU_ALLOWED = "no_gpu_allowed"
    BOT_FULL = "bot_full"
    UNKNOWN_RUN = "unknown_run"
    NOT_YOURS = "not_yours"
    NOT_SHOWN_HERE = "not_shown_here"
    NO_NUMBER = "no_number"
    NOT_YOUR_LIST = "not_your_list"
    ALREADY_OVER = "already_over"
    NOT_ALLOWED_HERE = "not_allowed_here"
    NOT_ALLOWED_ALONE = "not_allowed_alone"
    NO_DIRECT_MESSAGES = "no_direct_messages"
    NOT_ALLOWED_YOU = "not_allowed_you"
    ADMINS_ONLY = "admins_only"
    OPERATORS_ONLY = "operators_only"
    BANNED = "banned"
    PAUSED = "paused"
    PAUSED_THERE = "paused_there"
    WRONG_CHANNEL = "wrong_channel"
    NO_SUCH_SETTING = "no_such_setting"
    BAD_SETTING = "bad_setting"
    SETTING_OF_ALL = "setting_of_all"
    NOT_MORE_THAN_ALL = "not_more_than_all"
    NO_GPU_NAME = "no_gpu_name"
    NOTHING_PAUSED = "nothing_paused"
    NOT_BANNED = "not_banned"
    NOT_EVERYBODY = "not_everybody"
    MANAGERS_ONLY = "managers_only"
    ONE_OF_THREE = "one_of_three"
    ONE_OF_TWO = "one_of_two"
    NOT_YOURSELF = "not_yourself"
    NO_LIMITS_GIVEN = "no_limits_given"
    DOWNLOAD_FAILED = "download_failed"
    TOO_MANY_FILES_HERE = "too_many_files_here"
    ENDING_NOT_ALLOWED_HERE = "ending_not_allowed_here"
    NOT_ALLOWED_CONTENT = "not_allowed_content"
    CHECKER_SAID_NO = "checker_said_no"
    NOT_CHECKED = "not_checked"
    UNKNOWN_GPU = "unknown_gpu"
    NO_GPU_BY_NAME = "no_gpu_by_name"
    TOO_LARGE_TO_TRAVEL = "too_large_to_travel"
    GPU_NOT_ON_OFFER = "gpu_not_on_offer"
    NOTHING_ON_OFFER = "nothing_on_offer"
    VERIFYING_ALREADY = "verifying_already"
    LAUNCHER_SILENT = "launcher_silent"
    LAUNCHER_OFFERS_NOTHING = "launcher_offers_nothing"
    BAD_MACHINE_NAME = "bad_machine_name"
    BAD_GPU_LABEL = "bad_gpu_label"
    MACHINE_EXISTS = "machine_exists"
    NO_SUCH_MACHINE = "no_such_machine"
    MACHINE_BUSY = "machine_busy"
    NO_SUCH_GROUP = "no_such_group"
    NO_GROUPS = "no_groups"
    RUNNERS_NOT_ALLOWED = "runners_not_allowed"
    GITHUB_AWAY = "github_away"
    GITHUB_ODD = "github_odd"


SENTENCES: dict[Refusal, str] = {
    Refusal.EMPTY_FILE: "`{name}` is empty; attach the program you want to run.",
    Refusal.FILE_TOO_LARGE: "`{name}` has {size:,} bytes; this bot takes up to {limit:,}, so attach something smaller.",
    Refusal.FILES_TOO_LARGE: "With `{name}` the files have more than {limit:,} bytes together; leave something out.",
    Refusal.NOT_TEXT: "`{name}` is not text in UTF-8; save it as UTF-8 and attach it again.",
    Refusal.BAD_NAME: "That file name can't be used; rename the file to letters, digits, dots, dashes and underscores.",
    Refusal.TOO_MANY_FILES: "A run takes up to {limit} files; leave some out.",
    Refusal.SAME_NAME: "Two of the files would be `{name}`, or one of them its folder; rename one of the two.",
    Refusal.BAD_ZIP: "`{name}` can't be unpacked; make it again as an ordinary .zip and attach that.",
    Refusal.ZIP_TOO_LARGE: "`{name}` holds more than {limit:,} bytes when unpacked; leave something out.",
    Refusal.ZIP_TOO_MANY_FILES: "`{name}` holds more than {limit} files; leave some out.",
    Refusal.ZIP_LOCKED: "`{name}` is locked with a password; make it again without one.",
    Refusal.ZIP_LINK: "`{name}` holds a link, `{inside}`; put the file it leads to in its place.",
    Refusal.ZIP_BAD_NAME: (
        "`{name}` holds a file whose name can't be used, `{inside}`; rename it to letters, digits, dots, dashes and "
        "underscores, in at most {depth} folders."
    ),
    Refusal.ZIP_NOT_TEXT: "`{inside}` in `{name}` is not text in UTF-8; leave it out, or save it as UTF-8.",
    Refusal.NO_PROGRAM: "There is no program in `{name}`; it needs a file whose name ends in {extensions}.",
    Refusal.WHICH_PROGRAM: "I can't tell which file to run; say it with `main`: {programs}.",
    Refusal.NO_SUCH_PROGRAM: "There is no such program as `main` says; give it one of {programs}.",
    Refusal.NO_CODE: "There is no code in that; put the program you want to run into the form.",
    Refusal.NOTHING_TO_RUN: (
        "That message has no program in Python, C++ or CUDA, neither between lines of three backticks nor attached; "
        "choose one that has, or use `/run paste`."
    ),
    Refusal.FORM_OF_BEFORE: (
        "I don't know any more which message that form was for; choose *Run this code* on the message again."
    ),
    Refusal.UNKNOWN_LANGUAGE: "I can't tell what `{name}` is; its name must end in {extensions}.",
    Refusal.TIME_LIMIT: "A time limit must be between 1 and {limit} seconds; choose one in that range.",
    Refusal.BAD_ARGUMENTS: "Those arguments can't be used ({problem}); give fewer, and quote them as in a shell.",
    Refusal.UNKNOWN_LAUNCHER: "`/run {launcher}` is not switched on here; ask an admin, or choose another launcher.",
    Refusal.NO_RUNS_ALLOWED: "You may not give any runs here; ask an admin for some.",
    Refusal.TOO_MANY_LIVE_RUNS: "You have {runs} under way and may have {limit}; wait for one or `/cancel` it.",
    Refusal.TOO_MANY_RUNS_AN_HOUR: (
        "You may give {limit} runs an hour and have given them; the next can be given in {minutes} min."
    ),
    Refusal.GPU_TIME_SHORT: (
        "You may use {limit} GPU minutes in 24 hours; {used} are used or set aside for your runs under way, and this "
        "run could take {wanted}, so give it a `time_limit` of at most {left} seconds, or try again later."
    ),
    Refusal.GPU_TIME_GONE: (
        "You may use {limit} GPU minutes in 24 hours, and {used} are used or set aside for your runs under way; try "
        "again when one of these has ended, or tomorrow."
    ),
    Refusal.GPU_NOT_ALLOWED: "You may not use that GPU here; choose one of {allowed}, or ask an admin for more.",
    Refusal.NO_GPU_ALLOWED: "You may not use a GPU here; ask an admin for one.",
    Refusal.BOT_FULL: "All {limit} places are taken by other runs; try again in a moment.",
    Refusal.UNKNOWN_RUN: (
        "There is no run #{number}; check the number at the top of its thread, and run it again if it stands there."
    ),
    Refusal.NOT_YOURS: "Run #{number} belongs to somebody else; only its owner or an admin here can cancel it.",
    Refusal.NOT_SHOWN_HERE: (
        "Run #{number} belongs to somebody else; ask again in its thread, or in the channel where it was started."
    ),
    Refusal.NO_NUMBER: "That is no run's number; choose one from the list, or type it as in `12`.",
    Refusal.NOT_YOUR_LIST: "This list belongs to somebody else; type `/runs` for yours.",
    Refusal.ALREADY_OVER: "Run #{number} is already over, so there is nothing to cancel.",
    Refusal.NOT_ALLOWED_HERE: "This bot does not run programs in this server; ask its admins to allow it.",
    Refusal.NOT_ALLOWED_ALONE: (
        "Outside of its own servers this bot runs programs only for people on its list; use it in one of its servers, "
        "or ask its admin to add you."
    ),
    Refusal.NO_DIRECT_MESSAGES: (
        "I may not send you direct messages, where your run would be shown; allow them in your privacy settings, or "
        "use a server that I am in."
    ),
    Refusal.NOT_ALLOWED_YOU: "You are not on the list of people who may run programs here; ask an admin to add you.",
    Refusal.ADMINS_ONLY: "Only members who may manage this server can do that; ask one of them.",
    Refusal.OPERATORS_ONLY: (
        "That holds for all servers, so only whoever runs this bot can do it, by `DISCORD_OPERATORS`; ask them, or "
        "decide for this server alone."
    ),
    Refusal.BANNED: "An admin has banned you from running programs{until}{why}; talk to them if you think it is wrong.",
    Refusal.PAUSED: "New runs are paused{until}{why}; try again later, what is under way goes on.",
    Refusal.PAUSED_THERE: "New runs on {what} are paused{until}{why}; choose another GPU, or try again later.",
    Refusal.WRONG_CHANNEL: "Runs are asked for in {channels} on this server; go there and try again.",
    Refusal.NO_SUCH_SETTING: "There is no setting of that name; choose one of {names}.",
    Refusal.BAD_SETTING: "`{name}` must be {rule}; give it such a value, or `default`.",
    Refusal.SETTING_OF_ALL: "`{name}` holds for all servers; set it with `everywhere:True`.",
    Refusal.NOT_MORE_THAN_ALL: (
        "`{name}` can't be more here than for all servers, which is {most}; give less, or have whoever runs this bot "
        "set it with `everywhere:True`."
    ),
    Refusal.NO_GPU_NAME: "Give one GPU by its name, such as `H100`; leave it out for all of them.",
    Refusal.NOTHING_PAUSED: "That is not paused; look at `/admin settings` for what is.",
    Refusal.NOT_BANNED: "That member is not banned; look at `/admin settings` for who is.",
    Refusal.NOT_EVERYBODY: "Not everybody can be an admin; choose a role that only some members have.",
    Refusal.MANAGERS_ONLY: "Only members who may manage this server can say who is an admin; ask one of them.",
    Refusal.ONE_OF_THREE: "Choose a run, a member or `all_runs:True`, one of the three.",
    Refusal.ONE_OF_TWO: "Choose a role or a member, one of the two.",
    Refusal.NOT_YOURSELF: "You can't ban yourself, me, or another admin; choose somebody else.",
    Refusal.NO_LIMITS_GIVEN: "Give at least one limit, or `reset:True` for those that everybody has.",
    Refusal.DOWNLOAD_FAILED: "Discord did not hand over `{name}`; attach it again.",
    Refusal.TOO_MANY_FILES_HERE: "A run may have {limit} files here; leave out what it does not need.",
    Refusal.ENDING_NOT_ALLOWED_HERE: "`{name}` may not be submitted here; file names must end in {extensions}.",
    Refusal.NOT_ALLOWED_CONTENT: "`{name}` may not be run here: {why} Take it out and submit again, or ask an admin.",
    Refusal.CHECKER_SAID_NO: "This may not be run here: {why} Change it and submit again, or ask an admin.",
    Refusal.NOT_CHECKED: (
        "What looks at each program before it runs does not work at the moment, so nothing was started; try again in a "
        "moment, or tell an admin."
    ),
    Refusal.UNKNOWN_GPU: "`/run {launcher}` has no such GPU; choose one of {offered}.",
    Refusal.NO_GPU_BY_NAME: "`/run {launcher}` has no GPUs to choose from; leave the GPU out, or run it elsewhere.",
    Refusal.TOO_LARGE_TO_TRAVEL: (
        "`{name}` is too large to be sent to GitHub from here (about 48 kB when packed); make it smaller, or ask an "
        "admin to give this bot a public address."
    ),
    Refusal.GPU_NOT_ON_OFFER: "Nobody here offers that GPU at the moment; choose one of {offered}.",
    Refusal.NOTHING_ON_OFFER: "No launcher offers a GPU at the moment; try again in a moment, or ask an admin.",
    Refusal.VERIFYING_ALREADY: "A verification is under way already; wait until its table is complete.",
    Refusal.LAUNCHER_SILENT: "`{launcher}` does not answer at the moment; try again in a minute, or look at the log.",
    Refusal.LAUNCHER_OFFERS_NOTHING: "`{launcher}` offers no GPU at the moment; look at its runners, or its account.",
    Refusal.BAD_MACHINE_NAME: (
        "A machine's name is up to 40 letters, digits, dots, dashes and underscores, the first a letter or a digit; "
        "give it another."
    ),
    Refusal.BAD_GPU_LABEL: (
        "A GPU's name is up to 40 letters, digits, dots, dashes and underscores, such as `H100`, and no label that "
        "means something else to GitHub; give it another."
    ),
    Refusal.MACHINE_EXISTS: (
        "There is a runner called `{name}` already; choose another name, or `/admin runner remove` it first."
    ),
    Refusal.NO_SUCH_MACHINE: "There is no runner of that name; `/admin runners` shows which there are.",
    Refusal.MACHINE_BUSY: (
        "`{name}` is in the middle of a run; remove it when that is over, or `/cancel` the run first."
    ),
    Refusal.NO_SUCH_GROUP: "There is no such group of runners; choose one of {offered}.",
    Refusal.NO_GROUPS: "Only an organisation has groups of runners, and a person owns this repository; leave it out.",
    Refusal.RUNNERS_NOT_ALLOWED: "GitHub does not let the bot's login do that; {how}.",
    Refusal.GITHUB_AWAY: "I could not ask GitHub: {why}; try again in a minute.",
    Refusal.GITHUB_ODD: "GitHub gave an answer to {what} that I don't understand; try again, or look at the log.",
}


def ended(words: str) -> str:
    """An admin's words, or their program's, as a sentence that another may follow."""
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def refuse(reason: Refusal, **facts: object) -> UserError:
    """The UserError for `reason`, its sentence filled with `facts`; raise what it returns."""
    return UserError(SENTENCES[reason].format(**facts), reason.value)
