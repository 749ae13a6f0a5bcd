/// The keys of storage.conf (storage-format 7.2).
enum StorageKeys {
  static let driver = ["storage", "driver"]
  static let driverPriority = ["storage", "driver_priority"]
  static let graphRoot = ["storage", "graphroot"]
  static let runRoot = ["storage", "runroot"]
  static let rootlessStoragePath = ["storage", "rootless_storage_path"]
  static let imageStore = ["storage", "imagestore"]
  static let transientStore = ["storage", "transient_store"]
  static let options = ["storage", "options"]
  static let disableVolatile = options + ["disable-volatile"]
  static let automaticUser = options + ["root-auto-userns-user"]
  static let automaticMinimum = options + ["auto-userns-min-size"]
  static let automaticMaximum = options + ["auto-userns-max-size"]
  static let pullOptions = options + ["pull_options"]
  static let imageStores = options + ["additionalimagestores"]
  static let layerStores = options + ["additionallayerstores"]
  static let forceMask = options + ["force_mask"]
  /// Options of every driver but the lists, in the order in which the peer takes them.
  static let ofEveryDriver = ["size", "mount_program", "skip_mount_home", "ignore_chown_errors"]
  static let ofOneDriver: [(driver: String, keys: [String])] = [
    (
      "overlay",
      [
        "ignore_chown_errors", "mount_program", "mountopt", "size", "inodes", "skip_mount_home",
        "force_mask", "use_composefs", "sync",
      ]
    ), ("vfs", ["ignore_chown_errors"]),
  ]

  /// Whether a user without a file of their own takes the key from the system's: of the options that
  /// make up the driver's `ignore_chown_errors` alone, and no roots (storage-format 7.4).
  static func isForUsers(_ path: [String]) -> Bool {
    if path == graphRoot || path == runRoot { return false }
    if path.last == "ignore_chown_errors" { return true }
    return ![imageStores, layerStores, forceMask, options + ["mountopt"]].contains(path)
      && !(path.starts(with: options) && ofEveryDriver.contains(path[2]))
      && !(path.count == 4 && path[2] != "pull_options")
  }

  static let schema = SettingsSchema(
    [
      SettingKey(driver, .text), SettingKey(driverPriority, .texts), SettingKey(graphRoot, .text),
      SettingKey(runRoot, .text), SettingKey(rootlessStoragePath, .text),
      SettingKey(imageStore, .text), SettingKey(transientStore, .flag),
      SettingKey(disableVolatile, .flag), SettingKey(automaticUser, .text),
      SettingKey(automaticMinimum, .number), SettingKey(automaticMaximum, .number),
      SettingKey(pullOptions, .textTable), SettingKey(imageStores, .texts),
      SettingKey(layerStores, .texts), SettingKey(forceMask, .mask),
      SettingKey(options + ["mountopt"], .text), SettingKey(options + ["imagestore"], .text),
    ] + ofEveryDriver.map { SettingKey(options + [$0], .text) }
      + ofOneDriver.flatMap { driver, keys in
        keys.map { SettingKey(options + [driver, $0], .text) }
      },
    passedOver: Set(["btrfs", "zfs", "aufs", "thinpool"].map { options + [$0] }))
}
